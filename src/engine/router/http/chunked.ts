import type { Body, PassOn } from './body.ts'
import { type Fields, parseFields } from './fields.ts'
import { HeadReader } from './head-reader.ts'

/** Nothing reads chunk extensions; more of them than this in one body is an attack (CVE-2023-39326), bytes. */
const mostExtensions = 16_384
/** Enough for every length that a number can hold exactly. */
const mostDigits = 16
const trailerLimits = { line: 8_192, size: 16_384, fields: 64 }

const lf = 0x0a
const cr = 0x0d

type Place = 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailers' | 'end'

/**
 * A chunked body (RFC 9112 7.1). Its framing is passed on as it came up to the line of the last chunk, but
 * without extensions; whoever passes it on writes the trailers and the empty line behind them. Line ends
 * are CR LF and nothing else, for machines that disagree about them disagree about where a request ends.
 */
export class ChunkedBody implements Body {
  trailers: Fields | null = null
  readonly #unwrapped: boolean
  #place: Place = 'size'
  #size = 0
  #digits = 0
  #extensions = 0
  #trailerReader: HeadReader | null = null

  constructor(unwrapped: boolean) {
    this.#unwrapped = unwrapped
  }

  get done(): boolean {
    return this.#place === 'end'
  }

  read(bytes: Buffer, from: number, passOn: PassOn): number {
    const framed = !this.#unwrapped
    // What has been read and is to be passed on begins here; -1: nothing.
    let start = framed && this.#place !== 'extension' && this.#place !== 'trailers' ? from : -1
    let at = from
    while (at < bytes.length) {
      if (this.#place === 'data') {
        const end = Math.min(bytes.length, at + this.#size)
        this.#size -= end - at
        if (!framed) passOn(bytes, at, end)
        if (this.#size === 0) this.#place = 'data-cr'
        at = end
        continue
      }
      if (this.#place === 'trailers') return this.#readTrailers(bytes, at)
      const byte = bytes[at] as number
      if (this.#place === 'extension') {
        if (byte === cr) {
          this.#place = 'size-lf'
          if (framed) start = at
        } else if (++this.#extensions > mostExtensions || !isText(byte)) return -1
      } else if (byte === semicolon && this.#place === 'size' && this.#digits > 0) {
        this.#place = 'extension'
        if (framed && at > start) passOn(bytes, start, at)
        start = -1
      } else if (!this.#step(byte)) return -1
      at++
      if ((this.#place as Place) === 'trailers' && framed) {
        passOn(bytes, start, at)
        start = -1
      }
    }
    if (start >= 0 && at > start) passOn(bytes, start, at)
    return at
  }

  /** One byte of the framing; false where it is not the one that must come. */
  #step(byte: number): boolean {
    switch (this.#place) {
      case 'size': {
        const digit = digitOf(byte)
        if (digit < 0) {
          this.#place = 'size-lf'
          return byte === cr && this.#digits > 0
        }
        this.#size = this.#size * 16 + digit
        return ++this.#digits <= mostDigits && this.#size <= Number.MAX_SAFE_INTEGER
      }
      case 'size-lf':
        this.#digits = 0
        this.#place = this.#size === 0 ? 'trailers' : 'data'
        return byte === lf
      case 'data-cr':
        this.#place = 'data-lf'
        return byte === cr
      default:
        this.#place = 'size'
        return byte === lf
    }
  }

  /** They look like the fields of a head whose first line is empty here. */
  #readTrailers(bytes: Buffer, from: number): number {
    if (!this.#trailerReader) {
      if (bytes[from] === cr && bytes[from + 1] === lf) {
        this.#place = 'end'
        return from + 2
      }
      this.#trailerReader = new HeadReader(trailerLimits, false)
      this.#trailerReader.read(firstLine, 0)
    }
    const end = this.#trailerReader.read(bytes, from)
    if (end === 0) return bytes.length
    if (end < 0) return -1
    this.#place = 'end'
    const { text } = this.#trailerReader
    if (text.length === firstLine.length) return end
    this.trailers = parseFields(text, firstLine.length)
    return this.trailers ? end : -1
  }
}

const semicolon = 0x3b
const firstLine = Buffer.from('-\r\n')

function isText(byte: number): boolean {
  return byte === 0x09 || (byte >= 0x20 && byte !== 0x7f)
}

function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
