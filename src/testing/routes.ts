import { createWeb } from '../web/server.ts'
import type { Services } from '../web/services.ts'

/**
 * Every address that answers GET outside the API, as the web itself says: a table of pages that is held against
 * this cannot forget one. Nothing is asked of the services, so anything may stand in their place.
 */
export function pageRoutes(): string[] {
  const { routes } = createWeb(nothing() as Services)
  const paths = routes.filter(({ method, path }) => method === 'GET' && !path.startsWith('/api/'))
  return [...new Set(paths.map(({ path }) => path))].sort()
}

/** Has every property, can be called, and means nothing. */
function nothing(): unknown {
  return new Proxy(() => {}, {
    get: (_, name) =>
      name === Symbol.toPrimitive ? () => '' : name === Symbol.iterator ? () => [].values() : nothing(),
    apply: () => nothing(),
  })
}
