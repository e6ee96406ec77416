import { type FileHandle, open, readdir } from 'node:fs/promises'
import path from 'node:path'
import { fileOf, identify, newline, openLog } from './file.ts'

/**
 * All parts of one instance's log as one stretch of bytes: `web.1.log.6`, `web.1.log.7`, …, `web.1.log`. The
 * writer puts a full part away under the next number (`rotating-log.ts`), always between two
 * records. Places are counted from the beginning of the oldest part, and kept as a part's identity with a place
 * in it: numbers and parts come and go, what a part holds does not change.
 */

export interface Segment {
  readonly handle: FileHandle
  /** See `identify`; empty while it holds no whole record. */
  readonly identity: string
  readonly inode: number
  /** Of a full part; null for the one that is written to. */
  readonly number: number | null
  /** Where it begins in the chain, bytes. */
  readonly start: number
  readonly size: number
}

export class Chain {
  readonly segments: readonly Segment[]

  constructor(segments: readonly Segment[]) {
    this.segments = segments
  }

  get size(): number {
    const last = this.segments.at(-1)
    return last ? last.start + last.size : 0
  }

  /** A place in the chain by a part and a place in it; null where that part is gone. */
  find(identity: string, place: number): number | null {
    const segment = this.segments.find((one) => one.identity === identity)
    return segment && place <= segment.size ? segment.start + place : null
  }

  /** The part that a place lies in, and where; at a seam the older one, whose identity is known. */
  placeOf(at: number): { readonly identity: string; readonly base: number } {
    const segment = this.segments.find(({ start, size }) => at <= start + size) ?? this.segments.at(-1)
    return { identity: segment?.identity ?? '', base: at - (segment?.start ?? 0) }
  }

  /** The bytes from one place to another, in pieces that are the reader's to keep. */
  async *read(from: number, to = this.size): AsyncGenerator<Buffer> {
    for (const { handle, start, size } of this.segments) {
      const stop = Math.min(to, start + size)
      for (let at = Math.max(from, start); at < stop; ) {
        const length = Math.min(pieceBytes, stop - at)
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(length), 0, length, at - start)
        // emptied meanwhile: the places behind it would no longer be right
        if (bytesRead === 0) return
        at += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    }
  }

  /** The first record boundary at or behind a place. */
  async boundaryAt(place: number): Promise<number> {
    if (place <= 0) return 0
    let at = place - 1
    for await (const piece of this.read(at)) {
      const found = piece.indexOf(newline)
      if (found >= 0) return at + found + 1
      at += piece.length
    }
    return at
  }

  async close(): Promise<void> {
    await Promise.all(this.segments.map(({ handle }) => handle.close().catch(() => {})))
  }
}

const pieceBytes = 128 * 1024

/** Null where there is nothing. A part that is put away while the others are opened is found at the second look. */
export async function openChain(directory: string, instance: string): Promise<Chain | null> {
  const handles = new Map<number, { handle: FileHandle; number: number | null }>()
  const take = async (handle: FileHandle | null, number: number | null) => {
    if (!handle) return
    const { ino } = await handle.stat()
    const known = handles.get(ino)
    if (known) await handle.close()
    // the newest part may have been put away since: its number counts
    handles.set(ino, { handle: known?.handle ?? handle, number: number ?? known?.number ?? null })
  }
  try {
    for (let rounds = 0, seen = ''; rounds < 5; rounds++) {
      const numbers = await numbersOf(directory, instance)
      const names = numbers.join()
      if (rounds > 0 && names === seen) break
      seen = names
      for (const number of numbers) await take(await openPart(directory, instance, number), number)
      await take(await openLog(fileOf(directory, instance)), null)
    }
    return handles.size === 0 ? null : new Chain(await inOrder([...handles.values()]))
  } catch (error) {
    for (const { handle } of handles.values()) await handle.close().catch(() => {})
    throw error
  }
}

async function inOrder(
  parts: readonly { readonly handle: FileHandle; readonly number: number | null }[],
): Promise<Segment[]> {
  const sorted = [...parts].sort((a, b) => (a.number ?? Infinity) - (b.number ?? Infinity))
  const segments: Segment[] = []
  let start = 0
  for (const { handle, number } of sorted) {
    const { ino: inode, size } = await handle.stat()
    segments.push({ handle, number, inode, start, size, identity: await identify(handle) })
    start += size
  }
  return segments
}

/** Of the full parts, ascending. */
export async function numbersOf(directory: string, instance: string): Promise<number[]> {
  const prefix = `${instance}.log.`
  const names = await readdir(directory).catch(() => [] as string[])
  return names
    .flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []))
    .filter((rest) => /^\d{1,12}$/.test(rest))
    .map(Number)
    .sort((a, b) => a - b)
}

export function openPart(directory: string, instance: string, number: number): Promise<FileHandle | null> {
  return open(path.join(directory, `${instance}.log.${number}`), 'r').catch(() => null)
}
