import type { Route, RouteTable } from '../ports.ts'
import type { Asked } from './asked.ts'
import { type Avoid, pickUpstream } from './balance.ts'
import { type Hold, Holds } from './holds.ts'
import { isThisMachine } from './host.ts'
import { type Closed, closedRoutes } from './maintenance.ts'
import { type Page, pages } from './pages.ts'
import type { Found } from './search.ts'
import { instanceOfClient, type Tags } from './sticky.ts'
import { indexTable, type LiveTable, routeOf } from './table.ts'
import { Upstream } from './upstream.ts'
import { Upstreams } from './upstreams.ts'
import { type Asleep, Wakes } from './wakes.ts'

/** What answers a host: an upstream (an instance of a project, or the panel), or a page of the router. */
export type Destination =
  | ({ readonly kind: 'upstream' } & Found)
  | { readonly kind: 'page'; readonly page: Page }
  /** New requests of the project wait. */
  | { readonly kind: 'held'; readonly project: string; readonly hold: Hold }
  /** The project sleeps, and is being woken. */
  | { readonly kind: 'asleep'; readonly asleep: Asleep }
  /** Every endpoint of the project is among those to avoid. */
  | { readonly kind: 'tried'; readonly project: string }
  | { readonly kind: 'panel-tried' }

/** The instances of a route, and what cookies call them where its clients are sticky. */
interface Instances {
  readonly all: readonly Upstream[]
  readonly tags: Tags | null
}

function instancesOf({ endpoints, sticky }: Route, upstreams: Upstreams): Instances {
  const found = endpoints.flatMap((endpoint) => {
    const upstream = upstreams.of(endpoint)
    return upstream ? [{ upstream, tag: endpoint.tag }] : []
  })
  const all = found.map(({ upstream }) => upstream)
  // With one instance there is nothing to come back to, and no cookie is needed.
  if (!sticky || all.length < 2) return { all, tags: null }
  return { all, tags: new Map(found.flatMap(({ upstream, tag }) => (tag ? [[upstream, tag]] : []))) }
}

function namesOf({ routes }: RouteTable, state: Route['state']): Set<string> {
  return new Set(routes.flatMap((route) => (route.state === state ? [route.project] : [])))
}

/** The table in force and what it leads to. */
export class Routing {
  readonly upstreams = new Upstreams()
  readonly holds = new Holds(Date.now)
  readonly wakes: Wakes
  readonly #panel: Upstream
  readonly #files: Upstream
  readonly #hostname: string
  #live: LiveTable | null = null
  /** Looked up once for every table and not with every request. */
  #instances = new Map<Route, Instances>()
  #closed: ReadonlyMap<Route, Closed> = new Map()

  constructor(panelSocket: string, filesSocket: string, hostname: string, wakeMs: number) {
    this.wakes = new Wakes(wakeMs)
    this.#panel = new Upstream('panel', { socketPath: panelSocket })
    this.#files = new Upstream('files', { socketPath: filesSocket })
    this.#hostname = hostname
  }

  /** Null until the first table is known: then only the panel can be reached. */
  get table(): RouteTable | null {
    return this.#live?.table ?? null
  }

  /** Requests and upgrades under way to the panel. */
  get openToPanel(): number {
    return this.#panel.open
  }

  /**
   * Puts a whole table in force between two requests, or throws and changes nothing.
   * `older`: the table in force is newer, or another one of the same version.
   */
  apply(table: RouteTable): 'applied' | 'older' {
    const current = this.#live?.table
    if (current && table.version < current.version) return 'older'
    if (current && table.version === current.version) {
      // A call whose answer was lost is made again.
      return JSON.stringify(current) === JSON.stringify(table) ? 'applied' : 'older'
    }
    const next = indexTable(table)
    this.#live = next
    this.upstreams.use(next.endpoints)
    this.holds.keep(new Set(table.routes.map(({ project }) => project)))
    this.#instances = new Map(table.routes.map((route) => [route, instancesOf(route, this.upstreams)]))
    this.#closed = closedRoutes(table.routes)
    // last: whoever waited is led by all of the above
    this.wakes.keep(namesOf(table, 'sleeping'))
    return 'applied'
  }

  /** Where a request goes now. `avoid`: keys of upstreams that refused it just before. */
  find(asked: Asked, avoid: Avoid): Destination {
    const { host } = asked
    const live = this.#live
    const route = !live || host === live.baseDomain ? undefined : routeOf(live, host)
    if (!route) return this.#withoutRoute(host, avoid)
    const closed = this.#closed.get(route)
    // before everything else: stopped, held or not running, it is the same to visitors
    if (closed && !closed.admits(asked)) return { kind: 'page', page: closed.page }
    const { project, release, state } = route
    if (state === 'stopped') return { kind: 'page', page: pages.stopped(project) }
    if (state === 'sleeping') {
      return { kind: 'asleep', asleep: this.wakes.of(project, performance.now()) }
    }
    if (route.static) return this.#toFiles(project, release, avoid)
    const hold = this.holds.of(project)
    if (hold) return { kind: 'held', project, hold }
    const instances = this.#instances.get(route)
    if (!instances || instances.all.length === 0) return { kind: 'page', page: pages.notRunning(project) }
    const now = performance.now()
    const kept = instances.tags && instanceOfClient(instances.tags, asked.fields, avoid, now)
    const upstream = kept ?? pickUpstream(instances.all, avoid, now, Math.random)
    if (!upstream) return { kind: 'tried', project }
    const remember = kept ? null : (instances.tags?.get(upstream) ?? null)
    return { kind: 'upstream', project, release, upstream, remember }
  }

  /** Requests that wait for a project to wake or to be switched are told to come again. */
  giveUpWaiting(): void {
    this.wakes.giveUp()
    this.holds.giveUp()
  }

  /** Closes connections that have been idle for too long, ms of performance.now(). */
  sweep(now: number): void {
    this.upstreams.sweep(now)
    this.#panel.sweep(now)
    this.#files.sweep(now)
  }

  /** The host that a request for this one is sent on to; null: it is answered here, as names of a wildcard are. */
  movedTo(host: string): string | null {
    const live = this.#live
    const primary = host === live?.baseDomain ? undefined : live?.routes.get(host)?.primary
    return primary === undefined || primary === host ? null : primary
  }

  #toFiles(project: string, release: number | null, avoid: Avoid): Destination {
    if (avoid?.has(this.#files.key)) return { kind: 'tried', project }
    return { kind: 'upstream', project, release, upstream: this.#files, remember: null }
  }

  #withoutRoute(host: string, avoid: Avoid): Destination {
    const isPanel = host === this.#live?.baseDomain || isThisMachine(host, this.#hostname)
    if (!isPanel) return { kind: 'page', page: pages.notFound(host) }
    if (avoid?.has(this.#panel.key)) return { kind: 'panel-tried' }
    return { kind: 'upstream', upstream: this.#panel, project: null, release: null, remember: null }
  }
}
