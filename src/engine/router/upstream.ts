import { type Asker, Connection, type Target } from './connection.ts'

/**
 * Node servers close a connection that was idle for 5 s, often at the very moment the next request is sent
 * on it. Ours are closed before that.
 */
const longestIdleMs = 4_000
/** Taken off what a server announces in `Keep-Alive: timeout=`. */
const idleMarginMs = 1_000
/** Requests that cannot be sent twice only use connections that were idle for less. */
const freshMs = 250
const mostIdle = 256
/** How long an instance that refused a connection is passed over, ms: twice as long each time, up to the last. */
const firstAsideMs = 250
const longestAsideMs = 10_000

/** Something under way that does not end by itself: a tunnel, an event stream. */
export interface Endless {
  /** Its client is told to come again, and comes to another instance. */
  depart(): void
}

/**
 * Which idle connection may be used: any, only one used a moment ago, none. `own`: a new one that is never
 * given to anybody else, for a tunnel.
 */
export type Reuse = 'any' | 'fresh' | 'none' | 'own'

/** One place where requests go, with its idle connections and a count of what is under way. */
export class Upstream {
  readonly key: string
  readonly #target: Target
  readonly #onIdle: () => void
  /** The one used last is at the end. */
  #idle: Connection[] = []
  readonly #endless = new Set<Endless>()
  #open = 0
  #keeping = true
  #asideUntil = 0
  #asideMs = 0

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

  /** Counts a request as under way until `end`. */
  begin(): void {
    this.#open++
  }

  end(): void {
    this.#open--
    if (this.#open === 0) this.#onIdle()
  }

  /** This one does not end by itself. */
  stays(endless: Endless): void {
    this.#endless.add(endless)
  }

  left(endless: Endless): void {
    this.#endless.delete(endless)
  }

  /** What does not end by itself ends now. */
  departEndless(): void {
    for (const endless of [...this.#endless]) endless.depart()
  }

  /** A connection for the request of this one, which is told when it stands: at once for an idle one. */
  carry(asker: Asker, reuse: Reuse): Connection {
    if (reuse === 'none') this.#closeIdle()
    const idle = reuse === 'own' ? undefined : this.#takeIdle(reuse)
    const connection = idle ?? new Connection(this.#target, this.#released)
    connection.carry(asker)
    return connection
  }

  /** No connection could be made: it is set aside for a while, for longer each time. */
  refused(now: number): void {
    if (now < this.#asideUntil) return
    this.#asideMs = Math.min(this.#asideMs * 2 || firstAsideMs, longestAsideMs)
    this.#asideUntil = now + this.#asideMs
  }

  /** It takes connections. */
  accepted(): void {
    this.#asideMs = 0
    this.#asideUntil = 0
  }

  isAside(now: number): boolean {
    return now < this.#asideUntil
  }

  /** Idle connections are closed at once and busy ones after their answer. */
  retire(): void {
    this.#keeping = false
    this.#closeIdle()
  }

  /** Takes traffic again. */
  revive(): void {
    this.#keeping = true
  }

  /** Closes the connections that have been idle for too long. */
  sweep(now: number): void {
    for (const connection of this.#idle) {
      if (now - connection.idleSince >= idleLimit(connection)) connection.destroy()
    }
  }

  #takeIdle(reuse: Reuse): Connection | undefined {
    if (this.#idle.length === 0) return undefined
    const now = performance.now()
    for (let connection = this.#idle.at(-1); connection; connection = this.#idle.at(-1)) {
      const idleMs = now - connection.idleSince
      if (reuse === 'fresh' && idleMs >= freshMs) return undefined
      this.#idle.pop()
      if (idleMs < idleLimit(connection) && !connection.destroyed) return connection
      connection.destroy()
    }
    return undefined
  }

  readonly #released = (connection: Connection, reusable: boolean): void => {
    if (!reusable) {
      const at = this.#idle.lastIndexOf(connection)
      if (at >= 0) this.#idle.splice(at, 1)
    }
    const keep = reusable && this.#keeping && this.#idle.length < mostIdle && idleLimit(connection) > 0
    if (!keep) {
      connection.destroy()
      return
    }
    connection.idleSince = performance.now()
    this.#idle.push(connection)
  }

  #closeIdle(): void {
    const idle = this.#idle
    this.#idle = []
    for (const connection of idle) connection.destroy()
  }
}

function idleLimit({ announcedMs }: Connection): number {
  return Math.min(announcedMs - idleMarginMs, longestIdleMs)
}
