import { createWeb } from '../web/server.ts'
import { createLab } from './engine-lab.ts'

/** `GET /api/project/list` and all others that the built server has, read from its own router. */
export async function routesOfServer(): Promise<string[]> {
  const lab = await createLab()
  try {
    const { addresses, limits, report } = lab.deps
    const known = { engine: lab.engine, addresses, limits, report, accounts: {}, version: '0' }
    // no request is made, so nothing else is needed
    const web = createWeb(known as unknown as Parameters<typeof createWeb>[0])
    // ALL is middleware, and the answer to a method that an address does not have
    const own = web.routes.filter(({ method }) => method !== 'ALL')
    return [...new Set(own.map(({ method, path }) => `${method} ${path}`))].sort()
  } finally {
    await lab.close()
  }
}
