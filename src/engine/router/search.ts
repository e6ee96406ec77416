import { type Page, pages } from './pages.ts'
import type { Destination, Routing } from './routing.ts'
import type { Upstream } from './upstream.ts'

/** How long connections are tried before the router answers itself, ms. */
const appPatienceMs = 300
const panelPatienceMs = 1_000

export interface Found {
  readonly upstream: Upstream
  /** Null: the panel. */
  readonly project: string | null
  readonly release: number | null
}

/**
 * Looks for an upstream that takes a connection, for one request. Every look goes to the table in force at
 * that moment, so a request that met an app just as it ended goes to the one that replaced it.
 */
export class Search {
  readonly #routing: Routing
  readonly #host: string
  readonly #refused = new Set<string>()
  #waitedMs = 0
  #pauseMs = 20
  #timer: NodeJS.Timeout | undefined

  constructor(routing: Routing, host: string) {
    this.#routing = routing
    this.#host = host
  }

  /** Calls exactly one of both, once: at once where an untried upstream is there, else after a pause. */
  next(found: (found: Found) => void, none: (page: Page) => void): void {
    const destination = this.#routing.find(this.#host, this.#refused)
    if (destination.kind === 'page') none(destination.page)
    else if (destination.kind === 'project') found(destination)
    else if (destination.kind === 'panel')
      found({ upstream: destination.upstream, project: null, release: null })
    else if (this.#waitedMs >= patience(destination)) none(givenUp(destination))
    else this.#pause(() => this.next(found, none))
  }

  /** No connection could be made to it: others come first. */
  refused(upstream: Upstream): void {
    this.#refused.add(upstream.key)
  }

  /** Ends the waiting; neither function is called any more. */
  cancel(): void {
    clearTimeout(this.#timer)
  }

  #pause(then: () => void): void {
    this.#timer = setTimeout(then, this.#pauseMs)
    this.#waitedMs += this.#pauseMs
    this.#pauseMs = Math.min(this.#pauseMs * 2, 100)
    this.#refused.clear()
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
