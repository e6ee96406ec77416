import type { Asked } from './asked.ts'
import type { Hold } from './holds.ts'
import { type Page, pages } from './pages.ts'
import type { Destination, Routing } from './routing.ts'
import type { Upstream } from './upstream.ts'
import type { Asleep } from './wakes.ts'

/** How long connections are tried before the router answers itself, ms. */
const appPatienceMs = 300
const panelPatienceMs = 1_000

export interface Found {
  readonly upstream: Upstream
  /** Null: the panel. */
  readonly project: string | null
  readonly release: number | null
  /** The instance that the client is to come back to: goes into a cookie with the answer. */
  readonly remember: string | null
}

/** Who looks: called exactly once for every look, at once or after a pause. */
export interface Seeker {
  found(found: Found): void
  none(page: Page): void
}

/**
 * Looks for an upstream that takes a connection, for one request. Every look goes to the table in force at
 * that moment, so a request that met an app just as it ended goes to the one that replaced it.
 */
export class Search {
  readonly #routing: Routing
  readonly #asked: Asked
  readonly #seeker: Seeker
  #refused: Set<string> | null = null
  #waitedMs = 0
  #pauseMs = 20
  #timer: NodeJS.Timeout | undefined
  #hold: Hold | null = null
  /** What is said where it has waited in vain. */
  #inVain: () => Page = () => pages.changing('')

  constructor(routing: Routing, asked: Asked, seeker: Seeker) {
    this.#routing = routing
    this.#asked = asked
    this.#seeker = seeker
  }

  next(): void {
    const destination = this.#routing.find(this.#asked, this.#refused)
    if (destination.kind === 'page') this.#seeker.none(destination.page)
    else if (destination.kind === 'upstream') this.#seeker.found(destination)
    else if (destination.kind === 'held') this.#wait(destination)
    else if (destination.kind === 'asleep') this.#sleep(destination.asleep)
    else if (this.#waitedMs >= patience(destination)) this.#seeker.none(givenUp(destination))
    else this.#pause()
  }

  /** No connection could be made to it: others come first, for this request and for others. */
  refused(upstream: Upstream): void {
    upstream.refused(performance.now())
    this.#refused ??= new Set()
    this.#refused.add(upstream.key)
  }

  /** Ends the waiting; the seeker is not called any more. */
  cancel(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#hold?.leave(this.#wake)
  }

  #wait({ hold, project }: Extract<Destination, { kind: 'held' }>): void {
    this.#inVain = () => pages.changing(project)
    this.#join(hold)
  }

  #sleep(asleep: Asleep): void {
    this.#inVain = () => asleep.page
    if (!this.#join(asleep.hold)) return
    this.#timer = setTimeout(() => {
      asleep.hold.leave(this.#wake)
      this.#wake(false)
    }, asleep.longestMs)
  }

  #join(hold: Hold): boolean {
    const joined = hold.join(this.#wake)
    if (joined) this.#hold = hold
    else this.#wake(false)
    return joined
  }

  readonly #wake = (goOn: boolean): void => {
    this.#hold = null
    clearTimeout(this.#timer)
    // Whoever refused it before has made room for another one.
    this.#refused = null
    this.#waitedMs = 0
    if (goOn) this.next()
    else this.#seeker.none(this.#inVain())
  }

  #pause(): void {
    this.#timer = setTimeout(() => this.next(), this.#pauseMs)
    this.#waitedMs += this.#pauseMs
    this.#pauseMs = Math.min(this.#pauseMs * 2, 100)
    this.#refused = null
  }
}

/** The page for an upstream that took the request and never answered. */
export function noAnswer({ project }: Found): Page {
  return project === null ? pages.panelNoAnswer() : pages.noAnswer(project)
}

type Tried = Extract<Destination, { kind: 'tried' | 'panel-tried' }>

function patience(destination: Tried): number {
  return destination.kind === 'tried' ? appPatienceMs : panelPatienceMs
}

function givenUp(destination: Tried): Page {
  return destination.kind === 'tried' ? pages.noAnswer(destination.project) : pages.panelRestarting()
}
