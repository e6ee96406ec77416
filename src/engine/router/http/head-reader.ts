/** What keeps a head from being read: it breaks the grammar, its first line or the whole is too long. */
export type HeadProblem = 'malformed' | 'line' | 'size'

export interface HeadLimits {
  /** Of the first line, bytes. */
  readonly line: number
  /** Of the whole head, bytes. */
  readonly size: number
  readonly fields: number
}

const tab = 0x09
const lf = 0x0a
const cr = 0x0d

/**
 * Finds the end of a head in bytes that come in pieces of any size. Every byte is looked at once, so a head
 * that comes byte by byte costs no more than one that comes whole; what is no text, or a line that does not
 * end in CR LF, is told at once and not only when the head is complete.
 */
export class HeadReader {
  /** The complete head in latin1, from the first line to the CR LF of the last field. */
  text = ''
  /** Bytes of the head so far, empty lines at its start and end included. */
  size = 0
  problem: HeadProblem | null = null
  readonly #limits: HeadLimits
  /** RFC 9112 2.2: a server passes over empty lines in front of a request. */
  readonly #emptyFirst: boolean
  #kept: Buffer | null = null
  #keptSize = 0
  /** Bytes of the line that is being read. */
  #line = 0
  #lines = 0
  #afterCr = false

  constructor(limits: HeadLimits, emptyFirst: boolean) {
    this.#limits = limits
    this.#emptyFirst = emptyFirst
  }

  /** Something of a head has come, but not all of it. */
  get begun(): boolean {
    return this.#lines > 0 || this.#line > 0
  }

  /**
   * Reads on. Returns where the head ends when it is complete and `text` is set, 0 when it goes on behind
   * this piece, and -1 when there is a `problem`.
   */
  read(bytes: Buffer, from: number): number {
    let start = from
    let line = this.#line
    let afterCr = this.#afterCr
    for (let n = from; n < bytes.length; n++) {
      const byte = bytes[n] as number
      if (byte === lf) {
        if (!afterCr) return this.#fail('malformed')
        afterCr = false
        if (line > 0) {
          if (this.#lines === 0 && line > this.#limits.line) return this.#fail('line')
          this.#lines++
          line = 0
        } else if (this.#lines > 0) return this.#complete(bytes, start, n + 1, from)
        else if (this.#emptyFirst) start = n + 1
        else return this.#fail('malformed')
      } else if (afterCr) return this.#fail('malformed')
      else if (byte === cr) afterCr = true
      else if ((byte < 0x20 && byte !== tab) || byte === 0x7f) return this.#fail('malformed')
      else line++
    }
    this.#line = line
    this.#afterCr = afterCr
    this.size += bytes.length - from
    if (this.#lines === 0 && line > this.#limits.line) return this.#fail('line')
    if (this.#tooLarge()) return this.#fail('size')
    if (this.begun) this.#keep(bytes, start)
    return 0
  }

  /** Ready for the next head. */
  reset(): void {
    this.text = ''
    this.size = 0
    this.#kept = null
    this.#keptSize = 0
    this.#line = 0
    this.#lines = 0
    this.#afterCr = false
  }

  #complete(bytes: Buffer, start: number, end: number, from: number): number {
    this.size += end - from
    if (this.#tooLarge()) return this.#fail('size')
    const kept = this.#kept
    if (kept === null) this.text = bytes.toString('latin1', start, end - 2)
    else {
      const text = kept.toString('latin1', 0, this.#keptSize) + bytes.toString('latin1', start, end)
      this.text = text.slice(0, -2)
    }
    return end
  }

  #tooLarge(): boolean {
    return this.size > this.#limits.size || this.#lines > this.#limits.fields + 1
  }

  #fail(problem: HeadProblem): -1 {
    this.problem = problem
    return -1
  }

  /** Grows by doubling: copying costs a head that trickles in twice its size at most. */
  #keep(bytes: Buffer, start: number): void {
    const size = this.#keptSize + bytes.length - start
    if (this.#kept === null || size > this.#kept.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(512, size * 2))
      this.#kept?.copy(larger, 0, 0, this.#keptSize)
      this.#kept = larger
    }
    bytes.copy(this.#kept, this.#keptSize, start)
    this.#keptSize = size
  }
}
