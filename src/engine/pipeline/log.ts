import { closeSync, openSync, writeSync } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * The output of one deployment: a plain text file that everybody follows alike (git client, API, panel).
 * The file is the only buffer, so a slow reader costs nothing and misses nothing.
 */
export interface DeploymentLog {
  write(line: string): void
  close(): void
}

export type DeploymentLogs = ReturnType<typeof createDeploymentLogs>

interface OpenLog {
  readonly readers: Set<() => void>
}

export function createDeploymentLogs() {
  const writing = new Map<string, OpenLog>()
  return {
    /** Begins the log of a deployment. `also` sees every line at once (the git client). */
    async open(file: string, also: (line: string) => void = () => {}): Promise<DeploymentLog> {
      await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
      const fd = openSync(file, 'a', 0o600)
      const state: OpenLog = { readers: new Set() }
      writing.set(file, state)
      const wake = () => {
        for (const reader of state.readers) reader()
      }
      return {
        write(line) {
          // the descriptor may belong to another file by now
          if (writing.get(file) !== state) return
          also(line)
          writeLine(fd, line)
          wake()
        },
        close() {
          if (writing.get(file) !== state) return
          writing.delete(file)
          closeSync(fd)
          wake()
        },
      }
    },
    /** Every line from the beginning, then new ones as they come, until the deployment ends. */
    async *follow(file: string, signal: AbortSignal): AsyncGenerator<string> {
      for await (const lines of followPieces(file, signal)) yield* lines
    },
    /** The same, as many together as there are. */
    pieces: (file: string, signal: AbortSignal): AsyncGenerator<readonly string[]> =>
      followPieces(file, signal),
  }

  async function* followPieces(file: string, signal: AbortSignal): AsyncGenerator<readonly string[]> {
    const handle = await open(file, 'r')
    try {
      let rest = ''
      for (;;) {
        const state = writing.get(file)
        const changed = state ? nextChange(state, signal) : null
        for await (const text of readToEnd(handle)) {
          const lines = (rest + text).split('\n')
          rest = lines.pop() ?? ''
          if (lines.length > 0) yield lines
        }
        if (!changed || signal.aborted) break
        await changed
        // what is written meanwhile comes together: a look a line would cost twenty viewers dearly
        if (writing.has(file)) await pause(restMs, undefined, { signal }).catch(() => {})
      }
      if (rest) yield [rest]
    } finally {
      await handle.close()
    }
  }
}

/** Between two looks of one reader at least, ms. */
const restMs = 30

/** A log that cannot be written (disk full) must not hide why the deployment itself fails. */
function writeLine(fd: number, line: string) {
  try {
    writeSync(fd, `${line}\n`)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
  }
}

/** Asked for before reading, so that a line written while we read is never slept over. */
function nextChange(log: OpenLog, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      log.readers.delete(done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    log.readers.add(done)
    signal.addEventListener('abort', done, { once: true })
  })
}

async function* readToEnd(handle: Awaited<ReturnType<typeof open>>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(64 * 1024))
    if (bytesRead === 0) return
    yield decoder.decode(buffer.subarray(0, bytesRead), { stream: true })
  }
}
