import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import type { RouteTable } from '../ports.ts'
import { AccessLog } from './access-log.ts'
import { requestIds } from './asked.ts'
import type { RouterConfig } from './config.ts'
import { createControl } from './control.ts'
import { createFront, type Front } from './front.ts'
import { type KeptHold, parseHolds } from './holds.ts'
import { trustOf } from './host.ts'
import { loadKept, openKept } from './kept-file.ts'
import { timeLimits } from './limits.ts'
import { Routing } from './routing.ts'
import { createStaticHost } from './static-host.ts'
import { followSuccessor } from './successor.ts'
import { parseTable } from './table.ts'
import { Traffic } from './traffic.ts'

export interface RunningRouter {
  /** Stops accepting at once, lets requests finish within the limit. */
  end(): Promise<void>
}

export interface RouterOptions {
  readonly config: RouterConfig
  /** The machine's own name: asked for, it means the panel. */
  readonly hostname: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly log: (line: string) => void
}

/** How often a front door that is in use is tried again, ms. */
const againMs = 500

/**
 * Starts the front door with the table of the last run and the control socket. A front port in use is not the
 * end: it is tried again and shown in the status meanwhile. Throws where another router holds the socket.
 */
export async function startRouter({
  config,
  hostname,
  startedAt,
  log,
}: RouterOptions): Promise<RunningRouter> {
  const filesSocket = join(dirname(config.controlSocket), 'files.sock')
  const limits = { ...timeLimits, ...config.limits }
  const routing = new Routing(config.panelSocket, filesSocket, hostname, limits.wakeMs)
  const files = createStaticHost(log)
  const tableFile = { file: config.stateFile, what: 'table', log }
  const holdsFile = { file: join(dirname(config.stateFile), 'holds.json'), what: 'holds', log }
  const [state, keptHolds] = [openKept<RouteTable>(tableFile), openKept<readonly KeptHold[]>(holdsFile)]
  const saved = loadKept(tableFile, parseTable)
  if (saved) useSaved(routing, saved, log)
  routing.holds.restore(loadKept(holdsFile, parseHolds) ?? [])
  if (routing.table) files.use(routing.table)
  const newRequestId = requestIds(`${startedAt.toString(36)}-${process.pid.toString(36)}`)
  const traffic = new Traffic(startedAt, config.counts)
  const accessLog = new AccessLog(config.logs ?? { limitBytes: 10_000_000, keep: 4 }, Date.now)
  if (routing.table) accessLog.use(routing.table)
  const front = createFront({
    routing,
    traffic,
    accessLog,
    trusts: trustOf(config.trustedProxy),
    newRequestId,
    limits,
  })
  const door = openDoor(front, config, log)
  const control = createControl({
    routing,
    state,
    keptHolds,
    traffic,
    accessLog,
    files,
    status: () => ({
      pid: process.pid,
      startedAt: new Date(startedAt).toISOString(),
      ...door.state(),
      table: routing.table?.version ?? null,
      open: front.open(),
      residentBytes: process.memoryUsage.rss(),
    }),
  })
  try {
    await listenOnSocket(control, config.controlSocket)
    await listenOnSocket(files.server, filesSocket)
  } catch (error) {
    door.shut()
    front.server.close()
    throw error
  }
  return {
    async end() {
      door.shut()
      state.close()
      keptHolds.close()
      // First, so that the next router can take all addresses while this one finishes.
      control.close()
      routing.wakes.end()
      files.server.close()
      const kept = {
        table: { file: tableFile.file, load: () => loadKept(tableFile, parseTable) },
        holds: { file: holdsFile.file, load: () => loadKept(holdsFile, parseHolds) },
      }
      const forget = followSuccessor(routing, kept, limits.endMs)
      await front.end(limits.endMs)
      forget()
      accessLog.end()
      files.server.closeAllConnections()
      control.closeAllConnections()
    },
  }
}

function useSaved(
  routing: Routing,
  saved: Parameters<Routing['apply']>[0],
  log: (line: string) => void,
): void {
  try {
    routing.apply(saved)
  } catch (error) {
    log(`the saved table is not used: ${String(error)}`)
  }
}

function openDoor(front: Front, { host, port, inherited }: RouterConfig, log: (line: string) => void) {
  const { server } = front
  let error: { code: string; message: string } | null = null
  let timer: NodeJS.Timeout | undefined
  const open = () => server.listen({ ...(inherited ? { fd: 3 } : { host, port }), backlog: 1024 })
  server.on('listening', () => {
    error = null
  })
  server.on('error', (cause: NodeJS.ErrnoException) => {
    if (server.listening) return log(`front door: ${cause.message}`)
    if (error?.code !== cause.code) log(`front door ${host}:${port}: ${describe(cause)}`)
    error = { code: cause.code ?? 'UNKNOWN', message: describe(cause) }
    timer = setTimeout(open, againMs)
  })
  open()
  return {
    state() {
      const address = server.listening ? (server.address() as AddressInfo | null) : null
      return { listening: address && { host: address.address, port: address.port }, error }
    },
    shut: () => clearTimeout(timer),
  }
}

function describe(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return 'address in use by another program'
  if (error.code === 'EACCES') return 'no permission to listen there'
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') return 'not an address of this machine'
  return error.message
}

/** The socket file of a router that is gone is replaced, one that answers is not. */
async function listenOnSocket(server: Server, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  if (await answers(path)) throw new Error(`another router answers at ${path}`)
  rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  chmodSync(path, 0o600)
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}
