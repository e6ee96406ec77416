import type { RouteTable } from '../ports.ts'
import { isThisMachine } from './host.ts'
import { type Page, pages } from './pages.ts'
import { indexTable, type LiveTable } from './table.ts'
import { Upstream } from './upstream.ts'
import { Upstreams } from './upstreams.ts'

/** What answers a host: an instance of a project, the panel, or a page of the router. */
export type Destination =
  | {
      readonly kind: 'project'
      readonly project: string
      readonly release: number | null
      readonly upstream: Upstream
    }
  | { readonly kind: 'panel'; readonly upstream: Upstream }
  | { readonly kind: 'page'; readonly page: Page }
  /** Every endpoint of the project is among those to avoid. */
  | { readonly kind: 'tried'; readonly project: string }
  | { readonly kind: 'panel-tried' }

/** The table in force and what it leads to. */
export class Routing {
  readonly upstreams = new Upstreams()
  readonly #panel: Upstream
  readonly #hostname: string
  #live: LiveTable | null = null

  constructor(panelSocket: string, hostname: string) {
    this.#panel = new Upstream('panel', { socketPath: panelSocket })
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
    return 'applied'
  }

  /** Where a request for a host goes now. `avoid`: keys of upstreams that refused it just before. */
  find(host: string, avoid: ReadonlySet<string>): Destination {
    const live = this.#live
    const route = host === live?.baseDomain ? undefined : live?.routes.get(host)
    if (!route) return this.#withoutRoute(host, avoid)
    const { project, release, endpoints, state } = route
    if (state === 'stopped') return { kind: 'page', page: pages.stopped(project) }
    if (endpoints.length === 0) return { kind: 'page', page: pages.notRunning(project) }
    const upstream = this.upstreams.pick(endpoints, avoid)
    return upstream ? { kind: 'project', project, release, upstream } : { kind: 'tried', project }
  }

  /** The host that a request for this one is sent on to; null: it is answered here. */
  movedTo(host: string): string | null {
    const live = this.#live
    const primary = host === live?.baseDomain ? undefined : live?.routes.get(host)?.primary
    return primary === undefined || primary === host ? null : primary
  }

  #withoutRoute(host: string, avoid: ReadonlySet<string>): Destination {
    const isPanel = host === this.#live?.baseDomain || isThisMachine(host, this.#hostname)
    if (!isPanel) return { kind: 'page', page: pages.notFound(host) }
    return avoid.has(this.#panel.key) ? { kind: 'panel-tried' } : { kind: 'panel', upstream: this.#panel }
  }
}
