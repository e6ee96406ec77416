import { readFileSync } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Something of which the newest is on disk, whole. */
export interface KeptFile<T> {
  /** Resolves true when this or a newer one is on disk, false when the disk did not take it. */
  save(value: T): Promise<boolean>
  /** Whether the newest is on disk. */
  saved(): boolean
  close(): void
}

export interface KeptFileOptions {
  readonly file: string
  /** For the log: `table`. */
  readonly what: string
  readonly log: (line: string) => void
  /** How long after a failed write the next try is made, ms. */
  readonly retryMs?: number
  /** So much is written to the file before it is made anew, bytes. */
  readonly mostBytes?: number
}

/** What the last run has kept, or null when there is nothing that can be read. `parse` throws where it is not one. */
export function loadKept<T>({ file, what, log }: KeptFileOptions, parse: (value: unknown) => T): T | null {
  try {
    return lastOf(readFileSync(file, 'utf8'), parse)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log(`the saved ${what} is not used: ${String(error)}`)
    return null
  }
}

/** The last line counts; where it was cut off, nobody was told that it is on disk, and the one before it does. */
function lastOf<T>(text: string, parse: (value: unknown) => T): T {
  const lines = text.trimEnd().split('\n')
  for (;;) {
    const line = lines.pop() ?? ''
    try {
      return parse(JSON.parse(line))
    } catch (error) {
      if (lines.length === 0) throw error
    }
  }
}

/**
 * Keeps the newest on disk, one write at a time. A full disk never stops anybody: what is kept is in force all the
 * same, and the write is tried again until it succeeds. Whoever sends it waits for the disk, and under load each
 * step costs a turn behind all clients: so a line is added to an open file, and the file seldom made anew.
 * No fsync: the server holds the truth and sends it anew when it starts.
 */
export function openKept<T>({
  file,
  what,
  log,
  retryMs = 2_000,
  mostBytes = 4_000_000,
}: KeptFileOptions): KeptFile<T> {
  let newest: { readonly value: T } | null = null
  let saved: { readonly value: T } | null = null
  let running: Promise<boolean> | null = null
  let retry: NodeJS.Timeout | undefined

  let current: { readonly handle: FileHandle; bytes: number } | null = null
  const letGo = () => {
    current?.handle.close().catch(() => {})
    current = null
  }
  const write = async (line: string) => {
    try {
      if (current && current.bytes < mostBytes) await current.handle.appendFile(line)
      else {
        letGo()
        current = { handle: await replace(file, line), bytes: 0 }
      }
      current.bytes += line.length
    } catch (error) {
      // a part of the line may be there
      letGo()
      throw error
    }
  }
  const writeNewest = async () => {
    while (newest && newest !== saved) {
      const writing: { readonly value: T } = newest
      await write(`${JSON.stringify(writing.value)}\n`)
      saved = writing
    }
    return true
  }
  const run = () => {
    clearTimeout(retry)
    running ??= writeNewest()
      .catch((error) => {
        log(`the ${what} could not be saved: ${String(error)}`)
        retry = setTimeout(run, retryMs).unref()
        return false
      })
      .finally(() => {
        running = null
      })
    return running
  }
  return {
    async save(value) {
      newest = { value }
      // Again where a write that was under way ended just before this one came.
      while (await run()) if (saved === newest) return true
      return false
    },
    saved: () => saved === newest,
    close() {
      clearTimeout(retry)
      letGo()
    },
  }
}

async function replace(file: string, text: string): Promise<FileHandle> {
  const temporary = `${file}.${process.pid}.tmp`
  let handle: FileHandle | null = null
  try {
    handle = await openAnew(temporary)
    await handle.writeFile(text)
    await rename(temporary, file)
    return handle
  } catch (error) {
    await handle?.close()
    await rm(temporary, { force: true })
    throw error
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
