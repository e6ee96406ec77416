/** A request that waits. `goOn`: look for an upstream again; else time is over. */
export type Waiter = (goOn: boolean) => void

/** So many requests of one project wait at most: each is a connection and some memory. */
export const mostHeld = 2_000
/** How many go on at once when a hold ends, so that an app is not met by all of them in the same moment. */
const batch = 64

/**
 * Projects whose new requests wait, because nothing may serve them for a moment. A hold has a deadline of its own:
 * the server may have died. After it requests are answered 503 at once, until the server ends the hold.
 */
export class Holds {
  readonly #byProject = new Map<string, Hold>()

  /** `ms` from now on requests wait, also where they wait already; 0 ends it. Returns how many wait. */
  set(project: string, ms: number): number {
    const hold = this.#byProject.get(project)
    if (ms > 0) {
      const next = hold ?? new Hold()
      this.#byProject.set(project, next)
      next.last(ms)
      return next.size
    }
    this.#byProject.delete(project)
    hold?.end(true)
    return hold?.size ?? 0
  }

  of(project: string): Hold | undefined {
    return this.#byProject.size === 0 ? undefined : this.#byProject.get(project)
  }

  /** Projects that are gone are held no longer. */
  keep(projects: ReadonlySet<string>): void {
    for (const project of this.#byProject.keys()) if (!projects.has(project)) this.set(project, 0)
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

  last(ms: number): void {
    this.#over = false
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#over = true
      this.#wake(false)
    }, ms)
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
