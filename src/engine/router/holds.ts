/** A request that waits. `goOn`: look for an upstream again; else time is over. */
export type Waiter = (goOn: boolean) => void

/** So many requests of one project wait at most: each is a connection and some memory. */
export const mostHeld = 2_000
/** How many go on at once when a hold ends, so that an app is not met by all of them in the same moment. */
const batch = 64

/** A hold as it is written down: it ends `ms` after it was set, and by the clock at `until`, ms since 1970. */
export interface KeptHold {
  readonly project: string
  readonly until: number
  readonly ms: number
}

/** Checks what was written down. Throws where it is something else. */
export function parseHolds(value: unknown): readonly KeptHold[] {
  if (!Array.isArray(value)) throw new Error('the holds are not a list')
  return value.map((one: Partial<KeptHold> | null) => {
    const { project, until, ms } = one ?? {}
    if (typeof project !== 'string' || typeof until !== 'number' || typeof ms !== 'number') {
      throw new Error('a hold has no project or no time')
    }
    return { project, until, ms }
  })
}

/**
 * Projects whose new requests wait, because nothing may serve them for a moment. A hold has a deadline of its own:
 * the server may have died. After it requests are answered 503 at once, until the server ends the hold.
 */
export class Holds {
  readonly #byProject = new Map<string, Hold>()
  readonly #kept = new Map<string, KeptHold>()
  readonly #clock: () => number

  /** Milliseconds since 1970. */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** `ms` from now on requests wait, also where they wait already; 0 ends it. Returns how many wait. */
  set(project: string, ms: number): number {
    const hold = this.#byProject.get(project)
    if (ms > 0) {
      const next = hold ?? new Hold()
      this.#byProject.set(project, next)
      next.last(ms)
      this.#kept.set(project, { project, ms, until: this.#clock() + ms })
      return next.size
    }
    this.#byProject.delete(project)
    this.#kept.delete(project)
    hold?.end(true)
    return hold?.size ?? 0
  }

  of(project: string): Hold | undefined {
    return this.#byProject.size === 0 ? undefined : this.#byProject.get(project)
  }

  /** All of them, for the router that comes after this one has died. */
  list(): readonly KeptHold[] {
    return [...this.#kept.values()]
  }

  /**
   * Those of a router that died go on for the time that is left, also where the clock was set back meanwhile. Then
   * they end, as if the server had said so: it may have, and nobody was there to write it down.
   */
  restore(kept: readonly KeptHold[]): void {
    for (const { project, until, ms } of kept) {
      const left = Math.min(until - this.#clock(), ms)
      if (left <= 0) continue
      this.set(project, left)
      this.#byProject.get(project)?.last(left, () => this.set(project, 0))
    }
  }

  /** All but these are held no longer. */
  keep(projects: ReadonlySet<string>): void {
    for (const project of this.#byProject.keys()) if (!projects.has(project)) this.set(project, 0)
  }

  /** Those that wait are told to come again. */
  giveUp(): void {
    for (const hold of this.#byProject.values()) hold.expire()
  }
}

/** The requests of one project that wait. */
export class Hold {
  readonly #waiting = new Set<Waiter>()
  #timer: NodeJS.Timeout | undefined
  #over = false

  get size(): number {
    return this.#waiting.size
  }

  /** False where it cannot wait here: there are too many, or the time is over. */
  join(waiter: Waiter): boolean {
    if (this.#over || this.#waiting.size >= mostHeld) return false
    this.#waiting.add(waiter)
    return true
  }

  /** It does not wait any more. */
  leave(waiter: Waiter): void {
    this.#waiting.delete(waiter)
  }

  /** `then`: what happens after that time, where it is not the end of waiting in vain. */
  last(ms: number, then?: () => void): void {
    this.#over = false
    clearTimeout(this.#timer)
    this.#timer = setTimeout(then ?? (() => this.expire()), ms)
  }

  /** Those that wait have waited in vain, as whoever comes next. */
  expire(): void {
    this.#over = true
    this.#wake(false)
  }

  /** Those that wait go on, or do not. */
  end(goOn: boolean): void {
    clearTimeout(this.#timer)
    this.#wake(goOn)
  }

  #wake(goOn: boolean): void {
    let left = batch
    for (const waiter of this.#waiting) {
      this.#waiting.delete(waiter)
      waiter(goOn)
      if (--left === 0) break
    }
    if (this.#waiting.size > 0) setImmediate(() => this.#wake(goOn))
  }
}
