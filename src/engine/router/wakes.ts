import { Hold } from './holds.ts'
import { type Page, pages } from './pages.ts'

/** Where the requests for one project that sleeps wait. */
export interface Asleep {
  readonly project: string
  readonly hold: Hold
  /** How long each of them waits at most, ms. */
  readonly longestMs: number
  /** What those get that waited in vain. */
  page: Page
}

/** Told the name of a project that is to be woken. */
export type WakeListener = (project: string) => void

/** Somebody who goes on waiting asks again so often, ms: the server may have died in the middle of a wake. */
const askAgainMs = 5_000

/**
 * Requests for projects that sleep: the first one asks for its project to be woken, all of them wait. They go on
 * when a table says that it is awake. Whoever listens may come and go: each is told of all that wait already.
 */
export class Wakes {
  readonly #longestMs: number
  readonly #asleep = new Map<string, Asleep & { askedAt: number }>()
  /** And what ends each. */
  readonly #listeners = new Map<WakeListener, () => void>()

  /** How long a request waits at most, ms. */
  constructor(longestMs: number) {
    this.#longestMs = longestMs
  }

  /** For a request that comes for a project that sleeps. `now`: of performance.now(). */
  of(project: string, now: number): Asleep {
    const known = this.#asleep.get(project)
    const asleep = known ?? {
      ...{ project, hold: new Hold(), longestMs: this.#longestMs, page: pages.waking(project) },
      askedAt: Number.NEGATIVE_INFINITY,
    }
    this.#asleep.set(project, asleep)
    // nobody waits: the one that asked before has left
    if (asleep.hold.size === 0 || now - asleep.askedAt >= askAgainMs) {
      asleep.askedAt = now
      for (const tell of this.#listeners.keys()) tell(project)
    }
    return asleep
  }

  /**
   * From now on `tell` is called for every project that is to be woken; at once for those that are waited for. `end`:
   * called when the router ends.
   */
  listen(tell: WakeListener, end: () => void): () => void {
    this.#listeners.set(tell, end)
    for (const { project, hold } of this.#asleep.values()) if (hold.size > 0) tell(project)
    return () => this.#listeners.delete(tell)
  }

  /** It could not be woken: those that wait get this page, the next one asks anew. Returns how many waited. */
  refuse(project: string, page: Page): number {
    const asleep = this.#asleep.get(project)
    if (!asleep) return 0
    this.#asleep.delete(project)
    const waiting = asleep.hold.size
    asleep.page = page
    asleep.hold.end(false)
    return waiting
  }

  /** These sleep in the table in force; requests for all others go on. */
  keep(sleeping: ReadonlySet<string>): void {
    for (const [project, { hold }] of this.#asleep) {
      if (sleeping.has(project)) continue
      this.#asleep.delete(project)
      hold.end(true)
    }
  }

  /** The router ends: whoever listens turns to the next one. Those that wait do so until it is known or given up. */
  end(): void {
    for (const endListener of this.#listeners.values()) endListener()
  }

  /** Those that wait are told to come again. */
  giveUp(): void {
    for (const project of [...this.#asleep.keys()]) this.refuse(project, pages.waking(project))
  }
}
