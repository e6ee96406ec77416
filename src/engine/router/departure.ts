import type { Client } from './client.ts'
import { type Fields, fieldValue } from './http/fields.ts'
import { Frames, restartFrame } from './http/frames.ts'

/** How long a message under way may take to be whole before a tunnel is cut off, ms. */
const messageMs = 1_000

/**
 * How something that does not end by itself is made to: a WebSocket is closed with 1012 between two messages of
 * the app, anything else is cut.
 */
export class Departure {
  readonly #client: Client
  /** What the app says in a WebSocket; null: it is none. */
  #frames: Frames | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(client: Client) {
    this.#client = client
  }

  /** The protocol has been changed to that of these headers. */
  switched(fields: Fields): void {
    if (fieldValue(fields, 'upgrade')?.toLowerCase() === 'websocket') this.#frames = new Frames()
  }

  read(bytes: Buffer, from: number, to: number): void {
    this.#frames?.read(bytes, from, to)
  }

  /** It is to end. */
  begin(): void {
    if (this.#frames === null || this.#frames.closed) this.#client.closeSoon()
    else this.#timer ??= setTimeout(() => this.#client.closeSoon(), messageMs)
  }

  /** It is to end, and may say so now. */
  get due(): boolean {
    return this.#timer !== null && this.#frames?.between === true
  }

  /** Returns how many bytes that took. */
  say(): number {
    this.#client.writeBytes(restartFrame)
    return restartFrame.length
  }

  end(): void {
    if (this.#timer) clearTimeout(this.#timer)
  }
}
