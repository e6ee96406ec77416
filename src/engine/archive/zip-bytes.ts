import type { FileHandle } from 'node:fs/promises'
import { RandomAccessReader } from 'yauzl'
import { damaged } from './damaged.ts'

const span = 256 * 1024

/** Random access to a file that is mostly read forwards: one read for many small neighbours. */
export class FileWindow {
  readonly size: number
  readonly #handle: FileHandle
  #start = 0
  #block: Buffer = Buffer.alloc(0)

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle
    this.size = size
  }

  /** Refuses with `rejected_tree` what lies outside of the file. */
  async read(position: number, length: number): Promise<Buffer> {
    if (!(position >= 0 && length >= 0 && position + length <= this.size)) {
      throw damaged('ZIP', 'it points to bytes outside of itself')
    }
    if (position < this.#start || position + length > this.#start + this.#block.length) {
      await this.#load(position, Math.max(length, span))
    }
    const from = position - this.#start
    if (from + length > this.#block.length) throw damaged('ZIP', 'it ends too early')
    return this.#block.subarray(from, from + length)
  }

  async #load(position: number, length: number): Promise<void> {
    const block = Buffer.allocUnsafe(Math.min(length, this.size - position))
    let filled = 0
    while (filled < block.length) {
      const { bytesRead } = await this.#handle.read(block, filled, block.length - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    this.#start = position
    this.#block = block.subarray(0, filled)
  }
}

/** Lets yauzl read through a window. An exception in its callbacks becomes an `error` event, not a crash. */
export class WindowReader extends RandomAccessReader {
  readonly #window: FileWindow

  constructor(window: FileWindow) {
    super()
    this.#window = window
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    const answer = (error: Error | null) => {
      try {
        callback(error)
      } catch (fault) {
        this.emit('error', fault)
      }
    }
    this.#window.read(position, length).then(
      (bytes) => {
        bytes.copy(buffer, offset)
        answer(null)
      },
      (error: Error) => answer(error),
    )
  }
}

/** Which bytes of the archive belong to which entry: no two may share any (the "better zip bomb"). */
export class ByteRanges {
  readonly #starts: number[] = []
  readonly #ends: number[] = []

  /** Refuses with `rejected_tree` a range that touches an earlier one. */
  claim(start: number, end: number): void {
    const at = this.#indexAfter(start)
    const before = this.#ends[at - 1]
    const after = this.#starts[at]
    if ((before !== undefined && before > start) || (after !== undefined && after < end)) {
      throw damaged('ZIP', 'two of its entries overlap')
    }
    this.#starts.splice(at, 0, start)
    this.#ends.splice(at, 0, end)
  }

  #indexAfter(start: number): number {
    let low = 0
    let high = this.#starts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#starts[middle] ?? 0) <= start) low = middle + 1
      else high = middle
    }
    return low
  }
}
