import type { AccountCases } from '../engine/use-cases/accounts.ts'
import { createWeb } from '../web/server.ts'
import { createLab } from './engine-lab.ts'

/** `GET /api/project/list` and all others that the built server has, read from its own router. */
export async function routesOfServer(): Promise<string[]> {
  const lab = await createLab()
  try {
    const { addresses, limits, report } = lab.deps
    const web = createWeb({
      engine: lab.engine,
      accounts: {} as AccountCases, // no request is made
      addresses,
      limits,
      report,
      jwtKey: '',
      uploads: lab.paths.uploads,
      version: '0',
      health: async () => ({}),
    })
    // ALL is middleware, and the answer to a method that an address does not have
    const own = web.routes.filter(({ method }) => method !== 'ALL')
    return [...new Set(own.map(({ method, path }) => `${method} ${path}`))].sort()
  } finally {
    await lab.close()
  }
}
