import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Asked } from './asked.ts'
import { whenConnected } from './exchange.ts'
import { headerValues, responseHeaders } from './headers.ts'
import { type Page, pageForm, pages, rawAnswer, renderPage } from './pages.ts'
import type { Routing } from './routing.ts'
import { type Found, noAnswer, Search } from './search.ts'
import { Tally } from './tally.ts'
import type { Traffic } from './traffic.ts'

export interface TunnelOptions {
  readonly routing: Routing
  readonly traffic: Traffic
}

/** A connection that asked to change its protocol (WebSocket): two sockets joined, or the app's "no". */
export class Tunnel {
  readonly #request: IncomingMessage
  readonly #client: Duplex
  readonly #head: Buffer
  readonly #asked: Asked
  readonly #search: Search
  readonly #tally: Tally
  #outgoing: ClientRequest | undefined
  #answered = false

  constructor(
    request: IncomingMessage,
    client: Duplex,
    head: Buffer,
    asked: Asked,
    { routing, traffic }: TunnelOptions,
  ) {
    this.#request = request
    this.#client = client
    this.#head = head
    this.#asked = asked
    this.#search = new Search(routing, asked.host)
    this.#tally = new Tally(traffic, request.socket)
  }

  /** `ended` is called when the client's connection is closed. */
  start(ended: () => void): void {
    this.#client.on('error', () => {})
    this.#client.once('close', () => {
      ended()
      this.#tally.ended()
      this.#search.cancel()
      this.#outgoing?.destroy()
    })
    this.#look()
  }

  cut(): void {
    this.#client.destroy()
  }

  #look(): void {
    this.#search.next(
      (found) => this.#send(found),
      (page) => this.#answer(page),
    )
  }

  #send(found: Found): void {
    this.#tally.found(found)
    const { method, path, headers } = this.#asked
    const end = found.upstream.begin()
    let attempt: ClientRequest
    try {
      attempt = found.upstream.upgrade({ method, path, headers })
    } catch {
      end()
      this.#answer(pages.unfit(400))
      return
    }
    this.#outgoing = attempt
    let connected = false
    let settled = false
    const failed = () => {
      if (settled) return
      settled = true
      end()
      attempt.destroy()
      this.#failed(found, connected)
    }
    attempt.once('socket', (socket) =>
      whenConnected(attempt, socket, () => {
        connected = true
      }),
    )
    attempt.once('upgrade', (incoming, socket, head) => {
      settled = true
      socket.once('close', end)
      this.#join(incoming, socket, head)
    })
    attempt.once('response', (incoming) => {
      settled = true
      attempt.once('close', end)
      this.#decline(incoming)
    })
    attempt.on('error', failed)
    attempt.once('close', failed)
    attempt.end()
  }

  #join(incoming: IncomingMessage, app: Duplex, head: Buffer): void {
    const client = this.#client
    this.#answered = true
    this.#tally.answered(101)
    const raw = incoming.rawHeaders
    const headers = responseHeaders(raw, this.#asked.requestId, false)
    headers.push('Connection', 'Upgrade', 'Upgrade', headerValues(raw, 'upgrade').join(', '))
    app.on('error', () => {})
    app.once('close', () => client.destroy())
    client.once('close', () => app.destroy())
    if (client.destroyed) {
      app.destroy()
      return
    }
    client.write(rawHead(101, incoming.statusMessage || 'Switching Protocols', headers), 'latin1')
    if (head.length > 0) client.write(head)
    if (this.#head.length > 0) app.write(this.#head)
    app.pipe(client)
    client.pipe(app)
  }

  /** The app answered without changing the protocol. The connection ends with that answer. */
  #decline(incoming: IncomingMessage): void {
    const client = this.#client
    this.#answered = true
    this.#tally.answered(incoming.statusCode ?? 502)
    const headers = responseHeaders(incoming.rawHeaders, this.#asked.requestId, false)
    headers.push('Connection', 'close')
    incoming.on('error', () => {})
    incoming.once('close', () => {
      if (!incoming.complete) client.destroy()
    })
    client.write(rawHead(incoming.statusCode ?? 502, incoming.statusMessage ?? '', headers), 'latin1')
    incoming.pipe(client)
    closeAfterEnd(client)
  }

  #failed(found: Found, connected: boolean): void {
    if (this.#client.destroyed || this.#answered) return
    if (connected) this.#answer(noAnswer(found))
    else {
      this.#search.refused(found.upstream)
      this.#look()
    }
  }

  #answer(page: Page): void {
    this.#tally.answered(page.status)
    const form = pageForm(page, this.#asked.path, this.#request.headers.accept)
    this.#client.end(rawAnswer(renderPage(page, form, this.#asked.requestId)))
    closeAfterEnd(this.#client)
  }
}

/** Reads on until the client closes as well, so that no reset overtakes the answer; a second at most. */
export function closeAfterEnd(socket: Duplex): void {
  socket.resume()
  socket.once('finish', () => {
    const timer = setTimeout(() => socket.destroy(), 1_000).unref()
    socket.once('end', () => socket.destroy())
    socket.once('close', () => clearTimeout(timer))
  })
}

function rawHead(status: number, reason: string, headers: readonly string[]): string {
  const lines = [`HTTP/1.1 ${status} ${reason}`]
  for (let n = 0; n + 1 < headers.length; n += 2) lines.push(`${headers[n]}: ${headers[n + 1]}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}
