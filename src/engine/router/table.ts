import type { Endpoint, Route, RouteEndpoint, RouteFiles, RouteMaintenance, RouteTable } from '../ports.ts'

/** A table as it is looked up: one Map from host name to route. */
export interface LiveTable {
  readonly table: RouteTable
  readonly baseDomain: string
  readonly routes: ReadonlyMap<string, Route>
  readonly endpoints: readonly Endpoint[]
}

/** Checks a table that came over the wire or from disk. Throws an Error with one sentence for people. */
export function parseTable(value: unknown): RouteTable {
  const table = record(value, 'the table')
  const version = table.version
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 0) {
    throw new Error('the table has no valid version')
  }
  return {
    version,
    baseDomain: text(table.baseDomain, 'baseDomain').toLowerCase(),
    routes: list(table.routes, 'routes').map(parseRoute),
  }
}

/** Makes a table ready for look-ups. Throws where two routes claim one host. */
export function indexTable(table: RouteTable): LiveTable {
  const routes = new Map<string, Route>()
  for (const route of table.routes) {
    for (const host of route.hosts) {
      const owner = routes.get(host)
      if (owner) throw new Error(`the host ${host} belongs to ${owner.project} and to ${route.project}`)
      routes.set(host, route)
    }
  }
  const running = table.routes.filter((route) => route.state === 'running')
  return {
    table,
    baseDomain: table.baseDomain,
    routes,
    endpoints: running.flatMap((route) => route.endpoints),
  }
}

/** A host's own route, or that of the wildcard it belongs to. */
export function routeOf({ routes }: LiveTable, host: string): Route | undefined {
  return routes.get(host) ?? routes.get(`*${host.slice(host.indexOf('.'))}`)
}

export function endpointKey(endpoint: Endpoint): string {
  return `${endpoint.host}:${endpoint.port}`
}

export function parseEndpoint(value: unknown): Endpoint {
  const endpoint = record(value, 'an endpoint')
  const port = endpoint.port
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65535) {
    throw new Error('an endpoint has no valid port')
  }
  return { host: text(endpoint.host, 'the host of an endpoint'), port }
}

/** The tag goes into a cookie as it is. */
function parseRouteEndpoint(value: unknown): RouteEndpoint {
  const endpoint = parseEndpoint(value)
  const { tag } = value as { tag?: unknown }
  if (tag === undefined) return endpoint
  if (typeof tag !== 'string' || !/^[\w-]{1,64}$/.test(tag)) throw new Error('an endpoint has no valid tag')
  return { ...endpoint, tag }
}

function parseRoute(value: unknown): Route {
  const route = record(value, 'a route')
  const { release, state, primary } = route
  if (state !== 'running' && state !== 'stopped' && state !== 'sleeping')
    throw new Error('a route has no valid state')
  if (release !== null && typeof release !== 'number') throw new Error('a route has no valid release')
  return {
    hosts: list(route.hosts, 'hosts').map((host) => text(host, 'a host').toLowerCase()),
    ...(primary === undefined ? {} : { primary: text(primary, 'primary').toLowerCase() }),
    project: text(route.project, 'project'),
    release,
    state,
    endpoints: list(route.endpoints, 'endpoints').map(parseRouteEndpoint),
    ...(route.sticky === true ? { sticky: true } : {}),
    ...(route.accessLog === undefined ? {} : { accessLog: text(route.accessLog, 'accessLog') }),
    ...(route.static === undefined || route.static === null ? {} : { static: parseFiles(route.static) }),
    ...(route.maintenance === undefined ? {} : { maintenance: parseMaintenance(route.maintenance) }),
  }
}

function parseMaintenance(value: unknown): RouteMaintenance {
  const { page, allow } = record(value, 'maintenance')
  return {
    page: page === null ? null : text(page, 'the maintenance page'),
    allow: list(allow, 'allow').map((one) => text(one, 'who is let through')),
  }
}

export function parseFiles(value: unknown): RouteFiles {
  const { directory, within, index, spa } = record(value, 'static')
  if (typeof spa !== 'boolean') throw new Error('static files do not say whether they are a single page')
  return {
    directory: text(directory, 'the folder'),
    within: text(within, 'what the folder lies in'),
    index: text(index, 'the list of files'),
    spa,
  }
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${what} is not an object`)
  return value as Record<string, unknown>
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} is not a list`)
  return value
}

function text(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '') throw new Error(`${what} is empty`)
  return value
}
