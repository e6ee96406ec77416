import { ChunkedBody } from './chunked.ts'
import type { Fields } from './fields.ts'
import type { Framing } from './framing.ts'

/** Takes bytes `from` to `to` of a piece that are to be passed on; at least one. */
export type PassOn = (bytes: Buffer, from: number, to: number) => void

/** Follows a body through the bytes that come, far enough to know where it ends. */
export interface Body {
  /** The whole body has come. */
  readonly done: boolean
  /** Fields after a chunked body; null where there are none. */
  readonly trailers: Fields | null
  /** Reads on and passes on. Returns where the body or the piece ends, -1 where the body is malformed. */
  read(bytes: Buffer, from: number, passOn: PassOn): number
}

/** `unwrapped`: of a chunked body only the data is passed on, else its framing too. */
export function bodyOf(framing: Framing, unwrapped: boolean): Body | null {
  if (framing.kind === 'none') return null
  if (framing.kind === 'length') return new CountedBody(framing.length)
  return framing.kind === 'chunked' ? new ChunkedBody(unwrapped) : new EndlessBody()
}

class CountedBody implements Body {
  readonly trailers = null
  #left: number

  constructor(length: number) {
    this.#left = length
  }

  get done(): boolean {
    return this.#left === 0
  }

  read(bytes: Buffer, from: number, passOn: PassOn): number {
    const end = Math.min(bytes.length, from + this.#left)
    this.#left -= end - from
    if (end > from) passOn(bytes, from, end)
    return end
  }
}

/** Everything that comes: an answer that ends with its connection, or a tunnel. */
export class EndlessBody implements Body {
  readonly trailers = null
  readonly done = false

  read(bytes: Buffer, from: number, passOn: PassOn): number {
    // A head may come alone: a piece of nothing would be the last chunk of an answer that is wrapped in chunks.
    if (from < bytes.length) passOn(bytes, from, bytes.length)
    return bytes.length
  }
}
