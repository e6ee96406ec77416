import type { Asked } from './asked.ts'
import type { Client } from './client.ts'
import type { Connection } from './connection.ts'
import { trailerLines } from './headers.ts'
import type { Fields } from './http/fields.ts'
import type { Tally } from './tally.ts'

/** What a client sends, on its way to the app: its head, then a body that is passed on as it comes. */
export class Upload {
  /** All of it has come. */
  ended: boolean
  readonly #client: Client
  readonly #asked: Asked
  readonly #tally: Tally
  /** Nobody wants the rest: it is read and dropped, so that the answer is heard. */
  #dropping = false

  constructor(client: Client, asked: Asked, tally: Tally) {
    this.#client = client
    this.#asked = asked
    this.#tally = tally
    this.ended = asked.framing.kind === 'none'
  }

  begin(connection: Connection): void {
    const { head, framing, isUpgrade } = this.#asked
    if (framing.kind === 'none') {
      connection.write(head)
      if (!isUpgrade) connection.requestEnded()
      return
    }
    // Not before a connection is there: until then the same body can go elsewhere.
    connection.cork()
    connection.write(head)
    process.nextTick(() => connection.uncork())
    this.#client.readOn()
  }

  /** Whether more of it can be taken now. */
  takes(connection: Connection | null): boolean {
    return this.#dropping || (connection !== null && !connection.congested)
  }

  pass(connection: Connection | null, bytes: Buffer, from: number, to: number): void {
    this.#tally.bytesIn += to - from
    if (!this.#dropping) connection?.writeBytes(bytes.subarray(from, to))
  }

  end(connection: Connection | null, trailers: Fields | null): void {
    if (this.#asked.framing.kind === 'chunked' && !this.#dropping) {
      connection?.write(`${trailerLines(trailers)}\r\n`)
    }
    this.ended = true
    connection?.requestEnded()
  }

  drop(): void {
    if (this.ended) return
    this.#dropping = true
    this.#client.readOn()
  }
}
