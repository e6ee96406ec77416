/** Opcode of a frame that closes a WebSocket (RFC 6455 5.5.1). */
const closeOpcode = 0x8

/** An unmasked frame that closes with 1012, "Service Restart" (IANA): clients know that they may come again. */
export const restartFrame = Buffer.from([0x88, 0x02, 1012 >> 8, 1012 & 0xff])

/**
 * Follows the frames of a WebSocket by their headers alone (RFC 6455 5.2), to know when nothing is half said.
 * Nothing is kept of what is in them.
 */
export class Frames {
  /** A close frame has begun: whatever follows it is not read by anybody. */
  closed = false
  #payload = 0
  /** Of the header under way; 0: the next byte begins one. */
  #seen = 0
  #headerSize = 2
  #lengthEnd = 2
  #length = 0

  /** The next byte begins a frame. */
  get between(): boolean {
    return this.#seen === 0 && this.#payload === 0
  }

  read(bytes: Uint8Array, from: number, to: number): void {
    let at = from
    while (at < to) {
      if (this.#payload > 0) {
        const size = Math.min(this.#payload, to - at)
        this.#payload -= size
        at += size
      } else this.#header(bytes[at++] as number)
    }
  }

  #header(byte: number): void {
    const at = this.#seen++
    if (at === 0 && (byte & 0x0f) === closeOpcode) this.closed = true
    else if (at === 1) this.#begin(byte)
    else if (at > 1 && at < this.#lengthEnd) this.#length = this.#length * 256 + byte
    if (at === 0 || this.#seen < this.#headerSize) return
    this.#payload = this.#length
    this.#seen = 0
  }

  #begin(byte: number): void {
    const length = byte & 0x7f
    const extended = length === 127 ? 8 : length === 126 ? 2 : 0
    this.#length = extended > 0 ? 0 : length
    this.#lengthEnd = 2 + extended
    this.#headerSize = this.#lengthEnd + (byte & 0x80 ? 4 : 0)
  }
}
