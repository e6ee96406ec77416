/** The input ended in the middle of a record. */
export class TruncatedInput extends Error {
  override readonly name = 'TruncatedInput'
}

/** A record is longer than its reader allows. */
export class RecordTooLong extends Error {
  override readonly name = 'RecordTooLong'
}

const nothing = Buffer.alloc(0)

/**
 * Reads records out of a stream of bytes, only as fast as it is asked: what is not read stays with the
 * sender. Buffers that are handed out are views, valid for as long as the caller likes.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  #rest: Buffer = nothing
  #ended = false

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** What is at hand, `max` bytes at most and one at least; null at the end. */
  async atMost(max: number): Promise<Buffer | null> {
    if (this.#rest.length === 0 && !(await this.#pull())) return null
    return this.#take(Math.min(max, this.#rest.length))
  }

  /** Exactly `length` bytes (a small number: they are held in memory). Throws TruncatedInput. */
  async exactly(length: number): Promise<Buffer> {
    while (this.#rest.length < length) {
      if (!(await this.#pull()))
        throw new TruncatedInput(`ended after ${this.#rest.length} of ${length} bytes`)
    }
    return this.#take(length)
  }

  /**
   * The bytes before the next `delimiter`, which is passed over; null at a clean end.
   * Throws RecordTooLong over `max` bytes, TruncatedInput when the delimiter never comes.
   */
  async until(delimiter: number, max: number): Promise<Buffer | null> {
    let searched = 0
    for (;;) {
      const found = this.#rest.indexOf(delimiter, searched)
      if ((found === -1 ? this.#rest.length : found) > max) throw new RecordTooLong(`more than ${max} bytes`)
      if (found !== -1) return this.#takeRecord(found)
      searched = this.#rest.length
      if (await this.#pull()) continue
      if (searched === 0) return null
      throw new TruncatedInput('ended within a record')
    }
  }

  /** Passes over `length` bytes. Throws TruncatedInput. */
  async skip(length: number): Promise<void> {
    let left = length
    while (left > 0) {
      const chunk = await this.atMost(left)
      if (!chunk) throw new TruncatedInput(`ended with ${left} bytes to come`)
      left -= chunk.length
    }
  }

  /** Lets go of the sender. */
  async close(): Promise<void> {
    this.#ended = true
    this.#rest = nothing
    await this.#source.return?.()
  }

  #take(length: number): Buffer {
    const taken = this.#rest.subarray(0, length)
    this.#rest = this.#rest.subarray(length)
    return taken
  }

  #takeRecord(length: number): Buffer {
    const taken = this.#take(length)
    this.#rest = this.#rest.subarray(1)
    return taken
  }

  async #pull(): Promise<boolean> {
    if (this.#ended) return false
    const { done, value } = await this.#source.next()
    if (done) {
      this.#ended = true
      return false
    }
    const chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    return true
  }
}
