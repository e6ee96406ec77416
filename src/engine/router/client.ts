import type { Socket } from 'node:net'
import { readRequest } from './asked.ts'
import { mostWaiting } from './connection.ts'
import { Exchange, type ExchangeOptions } from './exchange.ts'
import type { Sender } from './headers.ts'
import { type Body, bodyOf, EndlessBody } from './http/body.ts'
import { type Fields, fieldValue } from './http/fields.ts'
import { type HeadProblem, HeadReader } from './http/head-reader.ts'
import { parseRequest } from './http/messages.ts'
import { type ClientLimits, type ClientState, Stillness } from './limits.ts'
import { pageForm, pages, rawAnswer, renderPage } from './pages.ts'

export interface ClientOptions extends ExchangeOptions {
  readonly limits: ClientLimits
  /** What an answer says about a connection that goes on. */
  readonly keepAliveLines: string
  readonly newRequestId: () => string
}

/** One connection of a client: its requests one after the other, each with its answer before the next is read. */
export class Client {
  readonly #socket: Socket
  readonly #sender: Sender
  readonly #options: ClientOptions
  readonly #reader: HeadReader
  /** What has come and cannot be taken yet. */
  #held: Buffer | null = null
  #exchange: Exchange | null = null
  /** Of the request under way; null: it has come whole. */
  #body: Body | null = null
  #reading = false
  /** The last answer is written; what still comes is dropped until the client closes as well. */
  #closing = false
  #requests = 0
  #pieces = 0
  readonly #still: Stillness

  constructor(socket: Socket, sender: Sender, options: ClientOptions, now: number) {
    this.#socket = socket
    this.#sender = sender
    this.#options = options
    this.#reader = new HeadReader(options.limits.head, true)
    this.#still = new Stillness(now)
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('drain', () => {
      if (this.#exchange) this.#exchange.clientDrained()
      else this.readOn()
    })
    socket.on('error', () => {})
    socket.on('end', () => this.#ended())
  }

  /** Called when the connection is closed. */
  closed(): void {
    this.#exchange?.gone()
    this.#exchange = null
    this.#held = null
  }

  /** A request or a tunnel is under way. */
  get busy(): boolean {
    return this.#exchange !== null
  }

  /** The router ends: a request may finish, but nothing that waits for the next one or that never ends. */
  retire(): void {
    if (this.#exchange?.endless) this.destroy()
    else if (!this.#exchange) this.#socket.destroySoon()
  }

  // What an exchange asks for.

  write(text: string): void {
    if (!this.#socket.destroyed) this.#socket.write(text, 'latin1')
  }

  writeBytes(bytes: Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes)
  }

  /** The client reads more slowly than the app writes. */
  get congested(): boolean {
    return this.#socket.writableLength >= mostWaiting
  }

  connectionLines(close: boolean): string {
    return close ? closeLine : this.#options.keepAliveLines
  }

  /** More of the request can be taken. */
  readOn(): void {
    if (!this.#reading) this.#read()
  }

  openTunnel(): void {
    this.#body = new EndlessBody()
    this.readOn()
  }

  /** Nothing more is written; what is sent on in the other direction goes on. */
  endWriting(): void {
    this.#socket.end()
  }

  /** What is written still arrives. */
  closeSoon(): void {
    this.#socket.destroySoon()
  }

  destroy(): void {
    if (this.#exchange?.endsWithConnection) this.#socket.resetAndDestroy()
    else this.#socket.destroy()
  }

  /** The exchange is over. */
  next(close: boolean): void {
    this.#exchange = null
    this.#body = null
    if (close) {
      this.#close()
      return
    }
    this.#reader.reset()
    this.readOn()
  }

  // Reading.

  #take(bytes: Buffer): void {
    this.#pieces++
    if (this.#closing) return
    this.#held = this.#held ? Buffer.concat([this.#held, bytes]) : bytes
    if (!this.#reading) this.#read()
  }

  /** A loop and not calls of calls: a client may send hundreds of requests at once that are answered at once. */
  #read(): void {
    this.#reading = true
    while (this.#held && !this.#closing && this.#step(this.#held)) {}
    this.#reading = false
    if (this.#held && !this.#closing && this.#isEnough(this.#held)) this.#socket.pause()
    else if (this.#socket.isPaused()) this.#socket.resume()
  }

  /**
   * Some of what cannot be taken yet is read all the same: the end of the connection comes behind it, and with it
   * ends the request under way. In a tunnel it ends nothing but that direction, after everything before it.
   */
  #isEnough(held: Buffer): boolean {
    return held.length >= mostAhead || (this.#exchange?.isUpgrade ?? false)
  }

  /** Takes what it can of the bytes; false where that is nothing for now. */
  #step(bytes: Buffer): boolean {
    const exchange = this.#exchange
    // Who asks on and on and reads no answer may not fill the memory with them: the next one has to wait.
    if (!exchange) return !this.congested && this.#readHead(bytes)
    if (!this.#body || !exchange.takes) return false
    const end = this.#body.read(bytes, 0, exchange.passBody)
    if (end < 0) {
      exchange.bodyFailed(400)
      return false
    }
    this.#keep(bytes, end)
    if (this.#body?.done) {
      const { trailers } = this.#body
      this.#body = null
      exchange.bodyEnded(trailers)
    }
    return true
  }

  #readHead(bytes: Buffer): boolean {
    const reader = this.#reader
    const end = reader.read(bytes, 0)
    if (end < 0) {
      this.#refuse(problemStatus[reader.problem ?? 'malformed'], null)
      return false
    }
    this.#keep(bytes, end === 0 ? bytes.length : end)
    if (end > 0) this.#begin()
    return true
  }

  #begin(): void {
    const { newRequestId } = this.#options
    this.#requests++
    const request = parseRequest(this.#reader.text)
    if (typeof request === 'number') {
      this.#refuse(request, null)
      return
    }
    const asked = readRequest(request, { sender: this.#sender, newRequestId, headBytes: this.#reader.size })
    if (typeof asked === 'number') {
      this.#refuse(asked, request.fields)
      return
    }
    this.#body = bodyOf(asked.framing, false)
    this.#exchange = new Exchange(this, asked, this.#options)
    this.#exchange.start()
  }

  #keep(bytes: Buffer, from: number): void {
    this.#held = from < bytes.length ? bytes.subarray(from) : null
  }

  /** Without an exchange: what follows on this connection cannot be trusted to be a request. */
  #refuse(status: number, fields: Fields | null): void {
    const page = pages.unfit(status)
    const form = pageForm(page, '/', fields ? fieldValue(fields, 'accept') : undefined)
    this.writeBytes(rawAnswer(renderPage(page, form, null), this.connectionLines(true)))
    this.#close()
  }

  /** Reads on until the client closes as well, so that no reset overtakes the answer. */
  #close(): void {
    this.#closing = true
    this.#held = null
    this.#socket.end()
    if (this.#socket.isPaused()) this.#socket.resume()
  }

  /** A client that has closed its side of anything but a tunnel has gone: nobody can tell it from a cut. */
  #ended(): void {
    if (this.#exchange?.isTunnel) this.#exchange.halfClosed()
    else this.#socket.destroy()
  }

  /** Ends what takes too long; called about once a second, ms of performance.now(). */
  sweep(now: number): void {
    const state = this.#state()
    if (this.#still.for(now, state, this.#progress(state)) < this.#options.limits.longest[state]) return
    if (state === 'head') this.#refuse(408, null)
    else if (state === 'body') this.#exchange?.bodyFailed(408)
    else this.destroy()
  }

  #state(): ClientState {
    if (this.#socket.writableLength > 0) return 'writing'
    if (this.#closing) return 'closing'
    if (!this.#exchange) return this.#reader.begun ? 'head' : this.#requests === 0 ? 'new' : 'idle'
    return this.#body && !this.#exchange.isTunnel && !this.#held ? 'body' : 'waiting'
  }

  #progress(state: ClientState): number {
    // How much has gone out, not how much is left: an app that is faster than its client refills that at once.
    if (state === 'writing') return this.#socket.bytesWritten - this.#socket.writableLength
    return state === 'body' ? this.#pieces : this.#requests
  }
}

/** So much of the next requests is read while one is under way, bytes. */
const mostAhead = 16_384
const closeLine = 'Connection: close\r\n'
const problemStatus: Readonly<Record<HeadProblem, number>> = { malformed: 400, line: 414, size: 431 }
