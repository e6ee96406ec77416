import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Asked, addressAt } from './asked.ts'
import { headerValue, responseHeaders, trailerPairs } from './headers.ts'
import { type Page, pageForm, pages, renderPage } from './pages.ts'
import type { Routing } from './routing.ts'
import { type Found, noAnswer, Search } from './search.ts'
import { Tally } from './tally.ts'
import type { Traffic } from './traffic.ts'
import type { Upstream } from './upstream.ts'

/** A machine that neither accepts nor refuses a connection within this counts as not there, ms. */
const connectTimeoutMs = 3_000

export interface ExchangeOptions {
  readonly routing: Routing
  readonly traffic: Traffic
  /** True while the router ends: connections are closed after their answer. */
  readonly ending: () => boolean
}

/** One request of a client and its answer, streamed both ways. */
export class Exchange {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #asked: Asked
  readonly #ending: () => boolean
  readonly #routing: Routing
  readonly #search: Search
  readonly #tally: Tally
  #outgoing: ClientRequest | undefined
  #answered = false
  #sentTwice = false
  #endless = false

  constructor(request: IncomingMessage, response: ServerResponse, asked: Asked, options: ExchangeOptions) {
    this.#request = request
    this.#response = response
    this.#asked = asked
    this.#ending = options.ending
    this.#routing = options.routing
    this.#search = new Search(options.routing, asked.host)
    this.#tally = new Tally(options.traffic, request.socket)
  }

  /** `ended` is called when the client has its answer or has gone. */
  start(ended: () => void): void {
    this.#request.on('error', () => {})
    this.#response.on('error', () => {})
    this.#response.once('close', () => {
      ended()
      this.#tally.ended()
      this.#search.cancel()
      if (!this.#response.writableFinished) this.#outgoing?.destroy()
    })
    const primary = this.#routing.movedTo(this.#asked.host)
    if (primary === null) this.#look()
    else this.#answer(pages.moved(addressAt(primary, this.#asked)))
  }

  /** Event streams never end by themselves and their clients connect again: cut when the router ends. */
  cutEndless(): void {
    if (this.#endless) this.#response.destroy()
  }

  #look(): void {
    this.#search.next(
      (found) => this.#send(found),
      (page) => this.#answer(page),
    )
  }

  #send(found: Found): void {
    this.#tally.found(found)
    const end = found.upstream.begin()
    const attempt = this.#open(found.upstream)
    if (!attempt) {
      end()
      this.#answer(pages.unfit(400))
      return
    }
    this.#outgoing = attempt
    const state = { connected: false, settled: false, bytesBefore: 0 }
    const failed = () => {
      if (state.settled) return
      state.settled = true
      this.#failed(found, attempt, state)
    }
    attempt.once('socket', (socket) =>
      whenConnected(attempt, socket, () => {
        state.connected = true
        state.bytesBefore = socket.bytesRead
        this.#sendBody(attempt)
      }),
    )
    attempt.once('response', (incoming) => {
      state.settled = true
      this.#receive(found, incoming)
      incoming.once('end', () => keepDraining(attempt))
    })
    attempt.on('information', (information) => this.#inform(information))
    attempt.on('error', failed)
    attempt.once('close', () => {
      end()
      // Its connection may serve somebody else from now on: nothing must destroy it through this request.
      if (this.#outgoing === attempt) this.#outgoing = undefined
      if (state.connected) this.#swallowBody(attempt)
      failed()
    })
    if (!this.#asked.hasBody) attempt.end()
    else attempt.flushHeaders()
  }

  /** Undefined for a path or header that node does not send. */
  #open(upstream: Upstream): ClientRequest | undefined {
    const { method, path, headers, replayable } = this.#asked
    try {
      return upstream.request(
        { method, path, headers },
        this.#sentTwice ? 'none' : replayable ? 'any' : 'fresh',
      )
    } catch {
      return undefined
    }
  }

  /** Not before a connection is there: until then the same body can go elsewhere. */
  #sendBody(attempt: ClientRequest): void {
    if (!this.#asked.hasBody) return
    const request = this.#request
    request.pipe(attempt, { end: false })
    request.once('end', () => {
      if (attempt.destroyed) return
      if (request.rawTrailers.length > 0) attempt.addTrailers(trailerPairs(request.rawTrailers))
      attempt.end()
    })
  }

  /** An app may answer and close before it has read everything: the rest is read and dropped here. */
  #swallowBody(attempt: ClientRequest): void {
    if (!this.#asked.hasBody || this.#request.readableEnded) return
    this.#request.unpipe(attempt)
    this.#request.resume()
  }

  #inform(information: { statusCode: number; headers: NodeJS.Dict<string | string[]> }): void {
    const response = this.#response
    if (this.#request.httpVersionMinor === 0 || response.headersSent || response.destroyed) return
    if (information.statusCode === 100) {
      if (this.#request.headers.expect !== undefined) response.writeContinue()
    } else if (information.statusCode === 102) response.writeProcessing()
    else if (information.statusCode === 103) sendHints(response, information.headers)
  }

  #receive({ upstream }: Found, incoming: IncomingMessage): void {
    const response = this.#response
    this.#answered = true
    const announced = headerValue(incoming.rawHeaders, 'keep-alive')
    if (announced !== undefined) upstream.announced(incoming.socket, announced)
    incoming.on('error', () => {})
    // Cut off on that side: cut off here too, or the client takes a part for the whole.
    incoming.once('close', () => {
      if (!incoming.complete) response.destroy()
    })
    if (!this.#writeHead(incoming)) return
    let began = false
    incoming.once('data', () => {
      began = true
    })
    incoming.pipe(response, { end: false })
    incoming.once('end', () => {
      if (incoming.rawTrailers.length > 0) response.addTrailers(trailerPairs(incoming.rawTrailers))
      response.end()
    })
    // With the first bytes where they are here already, alone where they take their time (event streams).
    setImmediate(() => {
      if (!began && !response.writableEnded && !response.destroyed) response.flushHeaders()
    })
  }

  #writeHead(incoming: IncomingMessage): boolean {
    const response = this.#response
    const { method, requestId } = this.#asked
    const status = incoming.statusCode ?? 502
    this.#tally.answered(status)
    const hasBody = method !== 'HEAD' && status !== 204 && status !== 304
    const chunked = this.#request.httpVersionMinor > 0 && hasBody && !hasLength(incoming)
    const headers = responseHeaders(incoming.rawHeaders, requestId, chunked)
    this.#endless = headerValue(headers, 'content-type')?.startsWith('text/event-stream') ?? false
    if (this.#ending()) response.shouldKeepAlive = false
    try {
      response.writeHead(status, incoming.statusMessage ?? '', headers)
      return true
    } catch {
      incoming.destroy()
      response.destroy()
      return false
    }
  }

  #failed(found: Found, attempt: ClientRequest, state: { connected: boolean; bytesBefore: number }): void {
    attempt.destroy()
    if (this.#response.destroyed || this.#answered) return
    const silent = (attempt.socket?.bytesRead ?? 0) === state.bytesBefore
    if (!state.connected) {
      this.#search.refused(found.upstream)
      this.#look()
    } else if (attempt.reusedSocket && silent && this.#asked.replayable && !this.#sentTwice) {
      // The server had closed this idle connection before it saw the request.
      this.#sentTwice = true
      this.#look()
    } else this.#answer(noAnswer(found))
  }

  #answer(page: Page): void {
    const { path, requestId } = this.#asked
    const answer = renderPage(page, pageForm(page, path, this.#request.headers.accept), requestId)
    if (this.#ending()) this.#response.shouldKeepAlive = false
    this.#tally.answered(answer.status)
    this.#request.unpipe()
    this.#request.resume()
    this.#response.writeHead(answer.status, answer.reason, answer.headers)
    this.#response.end(answer.body)
  }
}

/** Calls back once the connection stands, at once for an idle one that is used again. */
export function whenConnected(attempt: ClientRequest, socket: Socket, connected: () => void): void {
  if (!socket.connecting) {
    connected()
    return
  }
  const timer = setTimeout(() => attempt.destroy(new Error('no connection in time')), connectTimeoutMs)
  socket.once('connect', connected)
  const stop = () => clearTimeout(timer)
  socket.once('connect', stop)
  socket.once('close', stop)
}

/**
 * Node no longer tells a request that its connection has drained once the answer is complete: an upload that
 * was answered early would stop for good.
 */
function keepDraining(attempt: ClientRequest): void {
  const { socket } = attempt
  if (!socket || attempt.writableEnded) return
  const drained = () => attempt.emit('drain')
  socket.on('drain', drained)
  attempt.once('close', () => socket.off('drain', drained))
  if (socket.writableLength === 0) drained()
}

function hasLength(incoming: IncomingMessage): boolean {
  return headerValue(incoming.rawHeaders, 'content-length') !== undefined
}

function sendHints(response: ServerResponse, headers: NodeJS.Dict<string | string[]>): void {
  const { link } = headers
  if (link === undefined) return
  try {
    response.writeEarlyHints({ link })
  } catch {
    // Only a hint: what node finds malformed is left out.
  }
}
