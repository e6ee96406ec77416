import type { AccessLog } from './access-log.ts'
import { Answer } from './answer.ts'
import { type Asked, addressAt, schemeOf } from './asked.ts'
import type { Client } from './client.ts'
import type { Asker, Connection } from './connection.ts'
import { Departure } from './departure.ts'
import type { Fields } from './http/fields.ts'
import type { Framing } from './http/framing.ts'
import type { AnswerHead } from './http/messages.ts'
import { type Page, pages } from './pages.ts'
import type { Routing } from './routing.ts'
import { type Found, noAnswer, Search, type Seeker } from './search.ts'
import { stickyCookie } from './sticky.ts'
import { Tally } from './tally.ts'
import type { Traffic } from './traffic.ts'
import { Upload } from './upload.ts'
import type { Endless } from './upstream.ts'

export interface ExchangeOptions {
  readonly routing: Routing
  readonly traffic: Traffic
  readonly accessLog: AccessLog
  /** True while the router ends: connections are closed after their answer. */
  readonly ending: () => boolean
}

/** One request of a client and its answer, streamed both ways; after a 101 the bytes of a tunnel. */
export class Exchange implements Asker, Seeker, Endless {
  readonly unwrapped: boolean
  readonly bodiless: boolean
  readonly isUpgrade: boolean
  readonly #client: Client
  readonly #asked: Asked
  readonly #options: ExchangeOptions
  readonly #search: Search
  readonly #tally: Tally
  readonly #upload: Upload
  readonly #answer: Answer
  #found: Found | null = null
  #connection: Connection | null = null
  #connected = false
  #sentTwice = false
  /** The head of the answer is on its way to the client. */
  #answered = false
  #answerEnded = false
  #continued = false
  #close: boolean
  #tunnel = false
  readonly #departure: Departure
  #over = false

  constructor(client: Client, asked: Asked, options: ExchangeOptions) {
    this.#client = client
    this.#asked = asked
    this.#options = options
    this.#search = new Search(options.routing, asked, this)
    this.#tally = new Tally(options, asked)
    this.#departure = new Departure(client)
    this.#upload = new Upload(client, asked, this.#tally)
    this.#answer = new Answer(client, asked, this.#tally)
    this.#close = !asked.keepAlive || asked.isUpgrade
    this.unwrapped = asked.minor === 0
    this.bodiless = asked.method === 'HEAD'
    this.isUpgrade = asked.isUpgrade
  }

  start(): void {
    const { host, isUpgrade } = this.#asked
    // Clients of WebSockets follow no redirects.
    const primary = isUpgrade ? null : this.#options.routing.movedTo(host)
    if (primary === null) this.#search.next()
    else this.none(pages.moved(addressAt(primary, this.#asked)))
  }

  /** It holds up the end of the router and its client comes again by itself: a tunnel, an event stream. */
  get endless(): boolean {
    return this.#tunnel || this.#answer.endless
  }

  /** The client takes a clean end of its connection for that of the answer, which is not complete. */
  get endsWithConnection(): boolean {
    return this.#answer.endsWithConnection && !this.#answerEnded
  }

  // What the search says.

  found(found: Found): void {
    this.#found = found
    this.#connected = false
    this.#tally.found(found)
    found.upstream.begin()
    const { replayable, isUpgrade } = this.#asked
    const reuse = isUpgrade ? 'own' : this.#sentTwice ? 'none' : replayable ? 'any' : 'fresh'
    const connection = found.upstream.carry(this, reuse)
    if (!this.#connected) this.#connection = connection
  }

  /** The router answers itself. */
  none(page: Page): void {
    if (page.meant) {
      this.#found = null
      this.#tally.disowned()
    }
    this.#answered = true
    this.#decideClose()
    this.#answer.own(page, this.#close)
    this.#answerEnded = true
    this.#upload.drop()
    this.#finish()
  }

  // What the connection to the app says.

  connected(connection: Connection): void {
    this.#connection = connection
    this.#connected = true
    this.#found?.upstream.accepted()
    this.#upload.begin(connection)
  }

  informed(head: AnswerHead): void {
    if (this.#asked.minor === 0 || this.#answered) return
    if (head.status === 100) {
      if (!this.#asked.expects) return
      this.#continued = true
    }
    this.#answer.inform(head)
  }

  answered(head: AnswerHead, framing: Framing): void {
    this.#answered = true
    this.#tally.answered(head.status)
    if (head.status === 101) {
      this.#tunnel = true
      this.#upload.ended = false
      this.#answer.switch(head)
      this.#departure.switched(head.fields)
      this.#connection?.probe()
      this.#found?.upstream.stays(this)
      this.#client.openTunnel()
      return
    }
    this.#decideClose()
    const tag = this.#found?.remember ?? null
    const cookie = tag === null ? null : stickyCookie(tag, schemeOf(this.#asked))
    this.#close = this.#answer.begin(head, framing, this.#close, cookie)
    if (this.#answer.endless) this.#found?.upstream.stays(this)
  }

  readonly passOn = (bytes: Buffer, from: number, to: number): void => {
    if (this.#tunnel) this.#departure.read(bytes, from, to)
    this.#answer.pass(bytes, from, to)
  }

  depart(): void {
    if (this.#over) return
    this.#departure.begin()
    if (this.#departure.due) this.#sayRestart()
  }

  ended(trailers: Fields | null): void {
    this.#answer.end(trailers)
    this.#answerEnded = true
  }

  settled(): void {
    if (this.#over) return
    this.#answer.flush()
    if (this.#departure.due) this.#sayRestart()
    else if (this.#answerEnded) this.#finish()
    else if (this.#client.congested) this.#connection?.pause()
  }

  drained(): void {
    this.#client.readOn()
  }

  broken(): void {
    const connection = this.#connection
    this.#leave()
    if (this.#over) return
    if (this.#tunnel) this.#client.closeSoon()
    else if (!this.#answered) this.#failed(connection)
    // Cut off on that side: cut off here too, or the client takes a part for the whole.
    else if (!this.#answerEnded) this.#client.destroy()
    // An app may answer and close before it has read everything.
    else this.#upload.drop()
  }

  // What the client says.

  /** Whether more of the request can be taken now. */
  get takes(): boolean {
    return this.#upload.takes(this.#connected ? this.#connection : null)
  }

  readonly passBody = (bytes: Buffer, from: number, to: number): void => {
    this.#upload.pass(this.#connection, bytes, from, to)
  }

  bodyEnded(trailers: Fields | null): void {
    this.#upload.end(this.#connection, trailers)
    this.#finish()
  }

  /** What comes is no body (400), or nothing comes any more (408). */
  bodyFailed(status: 400 | 408): void {
    if (this.#answered) {
      this.#client.destroy()
      return
    }
    this.#close = true
    this.#search.cancel()
    this.#abandon()
    this.#upload.ended = true
    this.none(pages.unfit(status))
  }

  /** The client of a tunnel has nothing more to say. */
  halfClosed(): void {
    this.#connection?.endWriting()
  }

  get isTunnel(): boolean {
    return this.#tunnel
  }

  clientDrained(): void {
    this.#connection?.resume()
  }

  /** The client's connection is closed. */
  gone(): void {
    if (this.#over) return
    this.#over = true
    this.#tally.ended()
    this.#search.cancel()
    this.#abandon()
  }

  // How it ends.

  #decideClose(): void {
    const { expects } = this.#asked
    // Who still waits for "100 Continue" may send the body or leave it out: nobody could tell what comes next.
    if (this.#options.ending() || (expects && !this.#continued && !this.#upload.ended)) this.#close = true
  }

  #failed(connection: Connection | null): void {
    const found = this.#found as Found
    if (!this.#connected) {
      this.#search.refused(found.upstream)
      this.#search.next()
    } else if (connection?.reused && !connection.heard && this.#asked.replayable && !this.#sentTwice) {
      // The app had closed this idle connection before it saw the request.
      this.#sentTwice = true
      this.#search.next()
    } else this.none(noAnswer(found))
  }

  #abandon(): void {
    const connection = this.#connection
    this.#leave()
    connection?.destroy()
  }

  /** The connection is not this one's any more. */
  #leave(): void {
    if (this.#connection === null) return
    this.#connection = null
    this.#found?.upstream.left(this)
    this.#found?.upstream.end()
    this.#departure.end()
  }

  #sayRestart(): void {
    this.#over = true
    this.#tally.bytesOut += this.#departure.say()
    this.#abandon()
    this.#tally.ended()
    this.#client.next(true)
  }

  #finish(): void {
    if (this.#over || !this.#answerEnded) return
    if (this.#tunnel || !this.#upload.ended) {
      if (this.#tunnel || this.#close) this.#client.endWriting()
      return
    }
    this.#over = true
    // The app has declined to change the protocol.
    if (this.isUpgrade) this.#connection?.destroy()
    this.#leave()
    this.#tally.ended()
    this.#client.next(this.#close)
  }
}
