import { createServer, type Server, type Socket } from 'node:net'
import type { AccessLog } from './access-log.ts'
import { Client } from './client.ts'
import { probeMs } from './connection.ts'
import type { Sender } from './headers.ts'
import { peerAddress } from './host.ts'
import { clientLimits, type TimeLimits } from './limits.ts'
import type { Routing } from './routing.ts'
import type { Traffic } from './traffic.ts'

/** The server on the public port. */
export interface Front {
  readonly server: Server
  /** Clients with a request or a tunnel under way. */
  open(): number
  /** Lets requests finish, `graceMs` at most; tunnels and event streams, whose clients come again, end now. */
  end(graceMs: number): Promise<void>
}

export interface FrontOptions {
  readonly routing: Routing
  readonly traffic: Traffic
  readonly accessLog: AccessLog
  readonly trusts: (peer: string) => boolean
  readonly newRequestId: () => string
  readonly limits: TimeLimits
}

/** How often time limits are looked at, ms: one timer for all connections instead of one for each. */
const sweepMs = 1_000

export function createFront({
  routing,
  traffic,
  accessLog,
  trusts,
  newRequestId,
  limits,
}: FrontOptions): Front {
  const clients = new Set<Client>()
  let ending = false
  const options = {
    routing,
    traffic,
    accessLog,
    newRequestId,
    limits: clientLimits(limits),
    keepAliveLines: `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(limits.keepAliveMs / 1_000)}\r\n`,
    ending: () => ending,
  }
  const server = createServer({
    // An answer can still be written to a client that has closed its side, and a tunnel be half closed.
    allowHalfOpen: true,
    keepAlive: true,
    keepAliveInitialDelay: probeMs,
    noDelay: true,
  })
  server.on('connection', (socket: Socket) => {
    const client = new Client(socket, senderOf(socket, trusts), options, performance.now())
    clients.add(client)
    socket.once('close', () => {
      clients.delete(client)
      client.closed()
    })
  })
  const sweep = setInterval(() => {
    const now = performance.now()
    for (const client of clients) client.sweep(now)
    routing.sweep(now)
  }, sweepMs)
  sweep.unref()

  return {
    server,
    open: () => [...clients].filter(({ busy }) => busy).length,
    async end(graceMs) {
      ending = true
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const client of clients) client.retire()
      const late = setTimeout(() => {
        for (const client of clients) client.destroy()
      }, graceMs)
      await closed
      clearTimeout(late)
      clearInterval(sweep)
    },
  }
}

function senderOf(socket: Socket, trusts: (peer: string) => boolean): Sender {
  const address = peerAddress(socket.remoteAddress)
  return { address, trusted: trusts(address) }
}
