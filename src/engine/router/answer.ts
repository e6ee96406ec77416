import type { Asked } from './asked.ts'
import type { Client } from './client.ts'
import { answerLines, trailerLines } from './headers.ts'
import { type Fields, fieldValue } from './http/fields.ts'
import type { Framing } from './http/framing.ts'
import type { AnswerHead } from './http/messages.ts'
import { type Page, pageForm, rawAnswer, renderPage } from './pages.ts'
import type { Tally } from './tally.ts'

/** Text up to this is gathered into one write; larger pieces go out as bytes. */
const mostGathered = 16_384

/** How the body goes to the client. */
type Delivery = 'none' | 'as-is' | 'chunked' | 'wrapped'

/** Writes one answer to a client: the head, the body as it comes, and with as few writes as can be. */
export class Answer {
  /** An event stream: it does not end by itself. */
  endless = false
  /** Its end is that of the connection: nothing else tells the client of HTTP/1.0 a whole one from a part. */
  endsWithConnection = false
  readonly #client: Client
  readonly #asked: Asked
  readonly #tally: Tally
  #delivery: Delivery = 'none'
  #text = ''

  constructor(client: Client, asked: Asked, tally: Tally) {
    this.#client = client
    this.#asked = asked
    this.#tally = tally
  }

  /** A page of the router's own, whole. */
  own(page: Page, close: boolean): void {
    const { fields, path, requestId, method } = this.#asked
    const answer = renderPage(page, pageForm(page, path, fieldValue(fields, 'accept')), requestId)
    this.#tally.answered(answer.status)
    const bytes = rawAnswer(answer, this.#client.connectionLines(close), method === 'HEAD')
    this.#tally.bytesOut += bytes.length
    this.#client.writeBytes(bytes)
  }

  /** Something that comes before the answer itself: 100, 102, 103. Goes out with all that was read with it. */
  inform({ status, reason, fields }: AnswerHead): void {
    this.#text += `HTTP/1.1 ${status} ${reason}\r\n${answerLines(fields, nothing)}\r\n`
  }

  /** `close`: the connection ends with this answer; returns whether it does. `cookie`: one of the router's own. */
  begin(head: AnswerHead, framing: Framing, close: boolean, cookie: string | null): boolean {
    const { status, reason, fields } = head
    const old = this.#asked.minor === 0
    this.#delivery = deliveryOf(framing, old)
    const chunked = this.#delivery === 'chunked' || this.#delivery === 'wrapped'
    this.endsWithConnection = old && (framing.kind === 'chunked' || framing.kind === 'close')
    const ends = close || this.endsWithConnection
    this.endless = fieldValue(fields, 'content-type')?.startsWith('text/event-stream') ?? false
    let text = `HTTP/1.1 ${status} ${reason}\r\n`
    text += answerLines(fields, { length: status !== 204, trailer: this.#delivery === 'chunked' })
    if (chunked) text += 'Transfer-Encoding: chunked\r\n'
    if (!fields.lower.includes('date')) text += `Date: ${new Date().toUTCString()}\r\n`
    if (cookie !== null) text += `Set-Cookie: ${cookie}\r\n`
    this.#text += `${text}X-Request-Id: ${this.#asked.requestId}\r\n${this.#client.connectionLines(ends)}\r\n`
    return ends
  }

  /** The app has changed the protocol. */
  switch({ reason, fields }: AnswerHead): void {
    const protocol = fieldValue(fields, 'upgrade') ?? ''
    this.#delivery = 'as-is'
    this.#text +=
      `HTTP/1.1 101 ${reason || 'Switching Protocols'}\r\n${answerLines(fields, nothing)}` +
      `X-Request-Id: ${this.#asked.requestId}\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`
  }

  /** The bytes are copied: they belong to the connection they came from. */
  pass(bytes: Buffer, from: number, to: number): void {
    if (this.#delivery === 'none') return
    const size = to - from
    if (this.#delivery === 'wrapped') this.#text += `${size.toString(16)}\r\n`
    if (this.#text.length + size <= mostGathered) this.#text += bytes.toString('latin1', from, to)
    else {
      this.flush()
      this.#tally.bytesOut += size
      this.#client.writeBytes(Buffer.from(bytes.subarray(from, to)))
    }
    if (this.#delivery === 'wrapped') this.#text += '\r\n'
  }

  end(trailers: Fields | null): void {
    if (this.#delivery === 'chunked') this.#text += `${trailerLines(trailers)}\r\n`
    else if (this.#delivery === 'wrapped') this.#text += '0\r\n\r\n'
  }

  flush(): void {
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    this.#tally.bytesOut += text.length
    this.#client.write(text)
  }
}

const nothing = { length: false, trailer: false }

function deliveryOf(framing: Framing, old: boolean): Delivery {
  if (framing.kind === 'none') return 'none'
  if (framing.kind === 'length' || old) return 'as-is'
  // Without a length its end is that of the connection to the app, which a client must be able to tell from a cut.
  return framing.kind === 'chunked' ? 'chunked' : 'wrapped'
}
