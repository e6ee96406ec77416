import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { RouteFiles, RouteTable } from '../ports.ts'
import { hostOf } from './host.ts'
import { openSite, type Site } from './static-site.ts'

/**
 * Serves the files of projects without a process, behind the front door on a socket of its own: to the door it is
 * an upstream like any other. Whose files are meant, the Host header says.
 */
export interface StaticHost {
  readonly server: Server
  /** To be called with every table that comes into force. */
  use(table: RouteTable): void
  /** What `target` is answered with from these files, whether or not they have a route. */
  look(files: RouteFiles, target: string): Promise<{ readonly status: number }>
}

/** A request that was on its way when its project became something else is still answered with files. */
const lingerMs = 60_000

interface Served {
  readonly files: RouteFiles
  /** When the table no longer said so, ms; null: it does. */
  readonly goneAt: number | null
}

export function createStaticHost(log: (line: string) => void, now = Date.now): StaticHost {
  const hosts = new Map<string, Served>()
  const sites = new Map<string, Promise<Site>>()

  const siteOf = (files: RouteFiles): Promise<Site> => {
    const key = keyOf(files)
    const known = sites.get(key)
    if (known) return known
    const opened = openSite(files)
    sites.set(key, opened)
    // tried again with the next request
    opened.catch(() => sites.delete(key))
    return opened
  }
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const served = hosts.get(hostOf(request.headers.host ?? '') ?? '')
    if (!served) return void response.writeHead(404, { 'Content-Length': '0' }).end()
    // loaded with the first request, so that a door without static sites does not carry it
    const { answerWithFile } = await import('./static-answer.ts')
    await answerWithFile(await siteOf(served.files), request, response)
  }
  const server = createServer((request, response) => {
    response.on('error', () => {})
    serve(request, response).catch((error: unknown) => {
      log(`a file of ${request.headers.host} could not be served: ${String(error)}`)
      if (response.headersSent) response.destroy()
      else response.writeHead(502, { 'Content-Length': '0' }).end()
    })
  })
  // longer than the door keeps idle connections
  server.keepAliveTimeout = 65_000

  return {
    server,
    use(table) {
      for (const [host, { files, goneAt }] of hosts) {
        if (goneAt === null) hosts.set(host, { files, goneAt: now() })
        else if (goneAt < now() - lingerMs) hosts.delete(host)
      }
      for (const route of table.routes) {
        if (!route.static) continue
        for (const host of route.hosts) hosts.set(host, { files: route.static, goneAt: null })
      }
      const needed = new Set([...hosts.values()].map(({ files }) => keyOf(files)))
      for (const key of sites.keys()) if (!needed.has(key)) sites.delete(key)
    },
    async look(files, target) {
      const found = (await openSite(files)).find(target, true)
      return { status: found.kind === 'moved' ? 301 : found.status }
    },
  }
}

function keyOf({ directory, within, index, spa }: RouteFiles): string {
  return JSON.stringify([directory, within, index, spa])
}
