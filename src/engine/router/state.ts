import { readFileSync } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { RouteTable } from '../ports.ts'
import { parseTable } from './table.ts'

export interface State {
  /** Resolves true when this table or a newer one is on disk, false when the disk did not take it. */
  save(table: RouteTable): Promise<boolean>
  /** Whether the newest table is on disk. */
  saved(): boolean
  close(): void
}

export interface StateOptions {
  readonly file: string
  readonly log: (line: string) => void
  /** How long after a failed write the next try is made, ms. */
  readonly retryMs?: number
}

/** The table of the last run, or null when there is none that can be read: the server will send a fresh one. */
export function loadTable(file: string, log: (line: string) => void): RouteTable | null {
  try {
    return parseTable(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log(`the saved table is not used: ${String(error)}`)
    return null
  }
}

/**
 * Keeps the newest table on disk, one write at a time. A full disk never stops a switch: the table is in
 * force all the same, and the write is tried again until it succeeds.
 * No fsync: the server holds the truth and sends the table anew when it starts.
 */
export function openState({ file, log, retryMs = 2_000 }: StateOptions): State {
  let newest: RouteTable | null = null
  let saved: RouteTable | null = null
  let running: Promise<boolean> | null = null
  let retry: NodeJS.Timeout | undefined

  const writeNewest = async () => {
    while (newest && newest !== saved) {
      const table: RouteTable = newest
      await replace(file, JSON.stringify(table))
      saved = table
    }
    return true
  }
  const run = () => {
    clearTimeout(retry)
    running ??= writeNewest()
      .catch((error) => {
        log(`the table could not be saved: ${String(error)}`)
        retry = setTimeout(run, retryMs).unref()
        return false
      })
      .finally(() => {
        running = null
      })
    return running
  }
  return {
    async save(table) {
      newest = table
      // Again where a write that was under way ended just before this table came.
      while (await run()) if (saved === newest) return true
      return false
    },
    saved: () => saved === newest,
    close: () => clearTimeout(retry),
  }
}

/** Whoever sent the table waits for this, and under load each step costs a turn of all clients: as few as can be. */
async function replace(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`
  let handle: FileHandle | null = null
  try {
    handle = await openAnew(temporary)
    await handle.writeFile(text)
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  } finally {
    // it has its name already
    handle?.close().catch(() => {})
  }
}

async function openAnew(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'w', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    await mkdir(dirname(path), { recursive: true })
    return open(path, 'w', 0o600)
  }
}
