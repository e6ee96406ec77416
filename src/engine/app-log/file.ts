import { createHash } from 'node:crypto'
import { type FileHandle, open, readdir } from 'node:fs/promises'
import path from 'node:path'

/** An instance's log files as bytes: which there are, what each holds, and whether it is still the same one. */

const logFile = /^([A-Za-z0-9_-]+\.\d+)\.log(\.\d+)?$/

/** `web.1`, … : all that have a file here. Empty where the project never ran. */
export async function instancesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => [] as string[])
  return [...new Set(names.flatMap((name) => logFile.exec(name)?.[1] ?? []))].sort()
}

export function fileOf(directory: string, instance: string): string {
  return path.join(directory, `${instance}.log`)
}

/** Null where there is none. */
export async function openLog(file: string): Promise<FileHandle | null> {
  return open(file, 'r').catch(() => null)
}

/**
 * Tells one filling of a file from the next: rotation empties it and the same bytes never come again, for the
 * first record holds a time. Empty while there is no whole record.
 */
export async function identify(handle: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(1024), 0, 1024, 0)
  const head = buffer.subarray(0, bytesRead)
  const stop = head.indexOf(newline)
  if (stop < 0 && bytesRead < 1024) return ''
  return createHash('sha256')
    .update(stop < 0 ? head : head.subarray(0, stop))
    .digest('hex')
    .slice(0, 8)
}

/** One record, without its newline. */
export type OnRecord = (text: string, start: number, stop: number) => void

export const newline = 10
/** PM2 writes what it read at once, 64 kB of the app, which JSON may make six times as long. */
const longestRecord = 1_000_000

export type RecordSplitter = ReturnType<typeof createSplitter>

/** Cuts bytes that come in pieces into records. `at` is where the first one begins. */
export function createSplitter(at: number, onRecord: OnRecord) {
  let rest: Buffer = Buffer.alloc(0)
  let start = at
  return {
    push(piece: Buffer): void {
      const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece
      let from = 0
      for (;;) {
        const stop = bytes.indexOf(newline, from)
        if (stop < 0) break
        onRecord(bytes.toString('utf8', from, stop), start + from, start + stop + 1)
        from = stop + 1
      }
      start += from
      // a copy, so that a few bytes do not keep the whole piece alive
      rest = Buffer.from(bytes.subarray(from))
      if (rest.length > longestRecord) {
        start += rest.length
        rest = Buffer.alloc(0)
      }
    },
    /** Where the next bytes belong. */
    next: () => start + rest.length,
  }
}
