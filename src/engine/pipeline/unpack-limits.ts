import { Refusal } from '../domain/refusal.ts'

export interface UnpackLimits {
  /** All files together, unpacked. */
  readonly maxBytes: number
  /** Files, directories and links, those included that only a path names. */
  readonly maxEntries: number
  /** Components of a path. */
  readonly maxDepth: number
}

/** What is left out is not written, but it is still read: so many times the limits. */
const droppedFactor = 10

/** Counts what a tree takes. Every method refuses with `too_large` what goes over. */
export class Budget {
  readonly #limits: UnpackLimits
  #entries = 0
  #bytes = 0
  #droppedEntries = 0
  #droppedBytes = 0

  constructor(limits: UnpackLimits) {
    this.#limits = limits
  }

  get bytes(): number {
    return this.#bytes
  }

  takeEntries(count: number): void {
    this.#entries += count
    if (this.#entries > this.#limits.maxEntries) throw tooMany(this.#limits)
  }

  /** A size that the sender announces: too much is refused before a byte of it is read. */
  expectBytes(size: number | null): void {
    if ((size ?? 0) > this.#limits.maxBytes - this.#bytes) throw tooLarge(this.#limits)
  }

  takeBytes(count: number): void {
    this.#bytes += count
    if (this.#bytes > this.#limits.maxBytes) throw tooLarge(this.#limits)
  }

  drop(size: number | null): void {
    this.#droppedEntries += 1
    this.#droppedBytes += size ?? 0
    if (this.#droppedEntries > this.#limits.maxEntries * droppedFactor) throw tooMany(this.#limits)
    if (this.#droppedBytes > this.#limits.maxBytes * droppedFactor) throw tooLarge(this.#limits)
  }
}

const hint = 'leave out what the app does not need to run, or raise the limit'

function tooLarge({ maxBytes }: UnpackLimits): Refusal {
  const megabytes = Math.floor(maxBytes / 1_000_000)
  return new Refusal('too_large', `the files are larger than ${megabytes} MB together`, { hint })
}

function tooMany({ maxEntries }: UnpackLimits): Refusal {
  return new Refusal('too_large', `there are more than ${maxEntries} files and folders`, { hint })
}
