import { connect, type Socket } from 'node:net'
import { connectionOptions } from './headers.ts'
import { type Body, bodyOf, EndlessBody, type PassOn } from './http/body.ts'
import { type Fields, fieldValue, fieldValues } from './http/fields.ts'
import type { Framing } from './http/framing.ts'
import { answerFraming } from './http/framing.ts'
import { HeadReader } from './http/head-reader.ts'
import { type AnswerHead, parseAnswer } from './http/messages.ts'

/** Where requests are sent: an endpoint of an app, or the server's socket. */
export type Target = { readonly host: string; readonly port: number } | { readonly socketPath: string }

/** Who sent the request that a connection carries, and is told how it goes. */
export interface Asker {
  /** Bodies that are chunked shall come without their framing. */
  readonly unwrapped: boolean
  /** The request was a HEAD. */
  readonly bodiless: boolean
  /** It asked to change the protocol. */
  readonly isUpgrade: boolean
  /** The connection stands; called once, also for one that is used again. */
  connected(connection: Connection): void
  informed(head: AnswerHead): void
  /** The answer begins. After a 101 the bytes of both sides are nobody's business. */
  answered(head: AnswerHead, framing: Framing): void
  readonly passOn: PassOn
  /** The answer is complete. */
  ended(trailers: Fields | null): void
  /** Everything that has come up to now was told. */
  settled(): void
  /** The connection takes more of the request. */
  drained(): void
  /** The connection is gone, and the answer is not complete. */
  broken(): void
}

/** A machine that neither accepts nor refuses a connection within this counts as not there, ms. */
const connectTimeoutMs = 3_000
/** How long a tunnel may be silent before the system asks whether the other side is still there, ms. */
export const probeMs = 60_000
/** Bytes that may wait for a slow reader before the other side is stopped. */
export const mostWaiting = 65_536
/** So many heads that only inform may come before an answer: an app that never ends them would keep this process busy. */
const mostInformed = 1_000
const answerLimits = { line: 16_384, size: 65_536, fields: 512 }

/**
 * One for all connections: what is read is parsed and copied on before anything else is read, and nothing
 * that a piece of 64 KiB is cut from has to be made for every read.
 */
const readBuffer = Buffer.allocUnsafeSlow(65_536)

/** One connection to an app or the panel: one request and its answer at a time. */
export class Connection {
  /** When it became idle, ms of performance.now(). */
  idleSince = 0
  /** What the server said in `Keep-Alive: timeout=`, ms; Infinity where it said nothing. */
  announcedMs = Number.POSITIVE_INFINITY
  /** It carries its second request or a later one. */
  reused = false
  /** A byte came since the last request was sent. */
  heard = false
  readonly #socket: Socket
  readonly #released: (connection: Connection, reusable: boolean) => void
  readonly #reader = new HeadReader(answerLimits, false)
  #asker: Asker | null = null
  #body: Body | null = null
  #inAnswer = false
  #answerEnded = false
  #informed = 0
  #requestEnded = false
  #reusable = false

  /** `released` is called when request and answer are complete, and when the connection is gone. */
  constructor(target: Target, released: (connection: Connection, reusable: boolean) => void) {
    this.#released = released
    const onread = { buffer: readBuffer, callback: (size: number) => this.#read(size) }
    const where = 'socketPath' in target ? { path: target.socketPath } : target
    const socket = connect({ ...where, onread, noDelay: true })
    this.#socket = socket
    const timer = setTimeout(() => socket.destroy(), connectTimeoutMs)
    socket.once('connect', () => {
      clearTimeout(timer)
      this.#asker?.connected(this)
    })
    socket.on('error', () => {})
    socket.on('drain', () => this.#asker?.drained())
    socket.on('end', () => this.#finished())
    socket.once('close', () => {
      clearTimeout(timer)
      this.#closed()
    })
  }

  get destroyed(): boolean {
    return this.#socket.destroyed
  }

  get connecting(): boolean {
    return this.#socket.connecting
  }

  /** More is waiting to be sent than should. */
  get congested(): boolean {
    return this.#socket.writableLength >= mostWaiting
  }

  /** From now on it carries the request of this one. */
  carry(asker: Asker): void {
    this.#asker = asker
    this.heard = false
    this.#inAnswer = false
    this.#answerEnded = false
    this.#informed = 0
    this.#requestEnded = false
    this.#reader.reset()
    if (!this.#socket.connecting) asker.connected(this)
  }

  write(text: string): void {
    this.#socket.write(text, 'latin1')
  }

  writeBytes(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** What is written until `uncork` goes out together. */
  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  /** It may say nothing for hours: a side that is gone without a word is found out, as the front door does. */
  probe(): void {
    this.#socket.setKeepAlive(true, probeMs)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    if (this.#socket.isPaused()) this.#socket.resume()
  }

  /** The whole request has been written. */
  requestEnded(): void {
    this.#requestEnded = true
    if (this.#answerEnded) this.#release()
  }

  /** The client of a tunnel has nothing more to say. */
  endWriting(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #read(size: number): boolean {
    this.heard = true
    const bytes = readBuffer.subarray(0, size)
    const asker = this.#asker
    // Bytes that nobody asked for: whatever follows could be taken for the answer to somebody else's request.
    if (!asker || this.#answerEnded || !this.#take(asker, bytes)) this.#socket.destroy()
    asker?.settled()
    return true
  }

  /** False where it is not HTTP. */
  #take(asker: Asker, bytes: Buffer): boolean {
    let at = 0
    while (!this.#inAnswer) {
      const end = this.#reader.read(bytes, at)
      if (end === 0) return true
      const head = end < 0 ? null : parseAnswer(this.#reader.text)
      if (!head || !this.#begin(asker, head)) return false
      at = end
      if (!this.#inAnswer && at === bytes.length) return true
    }
    if (this.#body) at = this.#body.read(bytes, at, asker.passOn)
    if (at < 0) return false
    if (!this.#body || this.#body.done) {
      if (at < bytes.length) this.#reusable = false
      this.#end(asker)
    }
    return true
  }

  /** A head came: of the answer, or of one that only informs (RFC 9110 15.2). */
  #begin(asker: Asker, head: AnswerHead): boolean {
    const { status, fields, minor } = head
    this.#reader.reset()
    if (status < 200 && status !== 101) {
      asker.informed(head)
      return minor === 1 && ++this.#informed <= mostInformed
    }
    const switched = status === 101
    if (switched && !asker.isUpgrade) return false
    const framing: Framing | null = switched
      ? { kind: 'close' }
      : answerFraming(fields, status, minor, asker.bodiless)
    if (!framing) return false
    this.#inAnswer = true
    this.#body = switched ? new EndlessBody() : bodyOf(framing, asker.unwrapped)
    this.#reusable = minor === 1 && !asker.isUpgrade && framing.kind !== 'close' && staysOpen(fields)
    const timeout = /(?:^|[,\s])timeout=(\d+)/i.exec(fieldValue(fields, 'keep-alive') ?? '')?.[1]
    if (timeout !== undefined) this.announcedMs = Number(timeout) * 1_000
    asker.answered(head, framing)
    return true
  }

  #end(asker: Asker): void {
    this.#answerEnded = true
    asker.ended(this.#body?.trailers ?? null)
    if (this.#requestEnded) this.#release()
  }

  /** The other side will send nothing more: the end of an answer without a length, else of the connection. */
  #finished(): void {
    const asker = this.#asker
    if (asker && this.#inAnswer && !this.#answerEnded && this.#body instanceof EndlessBody) {
      this.#end(asker)
      asker.settled()
    } else if (!asker) this.#socket.destroy()
  }

  #release(): void {
    if (!this.#asker) return
    this.#asker = null
    this.#body = null
    this.reused = true
    this.#released(this, this.#reusable && !this.#socket.destroyed)
  }

  #closed(): void {
    const asker = this.#asker
    this.#asker = null
    if (asker) asker.broken()
    this.#released(this, false)
  }
}

function staysOpen(fields: Fields): boolean {
  return !fieldValues(fields, 'connection').flatMap(connectionOptions).includes('close')
}
