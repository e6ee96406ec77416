import { closeSync, constants, fchmodSync, openSync, write, writeSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants
const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
/** Up to here a file is written at once, which is several times faster than by way of the thread pool. */
const smallFile = 64 * 1024
/** How long small files may keep everything else waiting, ms. */
const turnMs = 8

const writeLater = promisify(write)

export interface FileWriter {
  /** Writes a file that must not exist, with exactly this mode. Returns its length, bytes. */
  write(path: string, mode: number, chunks: AsyncIterable<Uint8Array>): Promise<number>
}

/**
 * Writes one file after another, one descriptor open at a time. `setModes` where the umask takes bits away.
 * Errors of the file system come through as they are.
 */
export function createFileWriter(setModes: boolean): FileWriter {
  let turnBegan = performance.now()
  const yieldTurn = async () => {
    if (performance.now() - turnBegan < turnMs) return
    await nextTurn()
    turnBegan = performance.now()
  }
  return {
    async write(path, mode, chunks) {
      await yieldTurn()
      const descriptor = openSync(path, flags, mode)
      try {
        if (setModes) fchmodSync(descriptor, mode)
        return await writeChunks(descriptor, chunks)
      } finally {
        closeSync(descriptor)
      }
    },
  }
}

async function writeChunks(descriptor: number, chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0
  for await (const chunk of chunks) {
    for (let done = 0; done < chunk.length; ) {
      const left = chunk.length - done
      if (bytes + chunk.length <= smallFile) done += writeSync(descriptor, chunk, done, left)
      else done += (await writeLater(descriptor, chunk, done, left, null)).bytesWritten
    }
    bytes += chunk.length
  }
  return bytes
}
