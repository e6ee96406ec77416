import { Agent, type ClientRequest, type RequestOptions, request } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** Where requests are sent: an endpoint of an app, or the server's socket. */
export type Target = { readonly host: string; readonly port: number } | { readonly socketPath: string }

/**
 * Node servers close a connection that was idle for 5 s, often at the very moment the next request is sent
 * on it. Ours are closed before that.
 */
const longestIdleMs = 4_000
/** Taken off what a server announces in `Keep-Alive: timeout=`. */
const idleMarginMs = 1_000
/** Requests that cannot be sent twice only use connections that were idle for less. */
const freshMs = 250

/** One place where requests go, with its idle connections and a count of what is under way. */
export class Upstream {
  readonly key: string
  readonly #target: Target
  readonly #agent = new IdleAgent()
  readonly #onIdle: () => void
  #open = 0

  /** `onIdle` is called whenever the last request under way has ended. */
  constructor(key: string, target: Target, onIdle: () => void = () => {}) {
    this.key = key
    this.#target = target
    this.#onIdle = onIdle
  }

  /** Requests and upgrades under way. */
  get open(): number {
    return this.#open
  }

  /** Counts a request as under way from now until `end` is called; a second call of it does nothing. */
  begin(): () => void {
    this.#open++
    let ended = false
    return () => {
      if (ended) return
      ended = true
      this.#open--
      if (this.#open === 0) this.#onIdle()
    }
  }

  /** `reuse`: any idle connection will do, only one used a moment ago, or a new one. */
  request(options: RequestOptions, reuse: 'any' | 'fresh' | 'none'): ClientRequest {
    if (reuse === 'fresh') this.#agent.closeIdle(freshMs)
    if (reuse === 'none') this.#agent.closeIdle(0)
    return request({ ...options, ...this.#target, agent: this.#agent, setHost: false })
  }

  /** A connection of its own, which the caller takes over. */
  upgrade(options: RequestOptions): ClientRequest {
    return request({ ...options, ...this.#target, agent: false, setHost: false })
  }

  /** What the server said in `Keep-Alive:` about the connection of this answer. */
  announced(socket: Socket, keepAlive: string): void {
    const seconds = /(?:^|[,\s])timeout=(\d+)/i.exec(keepAlive)?.[1]
    if (seconds !== undefined) this.#agent.limit(socket, Number(seconds) * 1000 - idleMarginMs)
  }

  /** Idle connections are closed at once and busy ones after their answer. */
  retire(): void {
    this.#agent.keeping = false
    this.#agent.closeIdle(0)
  }

  /** Takes traffic again. */
  revive(): void {
    this.#agent.keeping = true
  }
}

class IdleAgent extends Agent {
  keeping = true
  readonly #limits = new WeakMap<Duplex, number>()
  readonly #idleSince = new WeakMap<Duplex, number>()

  constructor() {
    super({ keepAlive: true, scheduling: 'lifo', maxFreeSockets: 256, noDelay: true })
  }

  /** Runs with the socket as `this`: one function for all of them, so that it can be taken off again. */
  readonly #close = function (this: Socket): void {
    this.destroy()
  }

  limit(socket: Duplex, idleMs: number): void {
    this.#limits.set(socket, idleMs)
  }

  /** Closes the connections that have been idle for `ms` and longer. */
  closeIdle(ms: number): void {
    const now = performance.now()
    for (const sockets of Object.values(this.freeSockets)) {
      for (const socket of sockets ?? []) {
        if (now - (this.#idleSince.get(socket) ?? 0) >= ms) socket.destroy()
      }
    }
  }

  /** Called by node when an answer has ended; false closes the connection. */
  override keepSocketAlive(socket: Duplex): boolean {
    const idleMs = Math.min(this.#limits.get(socket) ?? longestIdleMs, longestIdleMs)
    if (!this.keeping || idleMs <= 0) return false
    this.#idleSince.set(socket, performance.now())
    const connection = socket as Socket
    connection.setTimeout(idleMs, this.#close)
    connection.unref()
    return true
  }

  /** Called by node before an idle connection gets its next request. */
  override reuseSocket(socket: Duplex, next: ClientRequest): void {
    ;(socket as Socket).setTimeout(0, this.#close)
    super.reuseSocket(socket, next)
  }
}
