import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { RouteTable } from '../ports.ts'
import type { AccessLog } from './access-log.ts'
import type { KeptHold } from './holds.ts'
import type { KeptFile } from './kept-file.ts'
import { pages } from './pages.ts'
import type { Routing } from './routing.ts'
import type { StaticHost } from './static-host.ts'
import { parseEndpoint, parseFiles, parseTable } from './table.ts'
import type { Traffic } from './traffic.ts'
import { streamWakes } from './wake-stream.ts'

/** What `GET /status` answers. */
export interface ControlStatus {
  readonly pid: number
  /** ISO 8601, UTC. */
  readonly startedAt: string
  /** Null while the front door is not open. */
  readonly listening: { readonly host: string; readonly port: number } | null
  /** Why it is not open: `EADDRINUSE`, `EACCES` … */
  readonly error: { readonly code: string; readonly message: string } | null
  /** Version of the table in force, null before the first. */
  readonly table: number | null
  /** The table in force is on disk. */
  readonly saved: boolean
  /** Clients with a request or a tunnel under way. */
  readonly open: number
  /** Memory of the process, bytes. */
  readonly residentBytes: number
}

export interface ControlOptions {
  readonly routing: Routing
  /** The table in force. */
  readonly state: KeptFile<RouteTable>
  readonly keptHolds: KeptFile<readonly KeptHold[]>
  readonly traffic: Traffic
  readonly accessLog: AccessLog
  readonly files: StaticHost
  readonly status: () => Omit<ControlStatus, 'saved'>
}

const largestBody = 16 * 1024 * 1024
const longestDrainMs = 3_600_000
const longestHoldMs = 600_000

/**
 * The server on the control socket: PUT /table, POST /drain, POST /hold, POST /look, GET /status, GET /traffic; GET
 * /wakes, which goes on until one of both ends, and POST /refuse for what could not be woken.
 */
export function createControl(options: ControlOptions): Server {
  const { routing, state, keptHolds, traffic, accessLog, files, status } = options
  const apply = async (body: unknown): Promise<Reply> => {
    const table: RouteTable = parseTable(body)
    if (routing.apply(table) === 'older') {
      const inForce = routing.table?.version ?? 0
      return {
        status: 409,
        body: { error: `table ${table.version} is not newer than ${inForce}`, version: inForce },
      }
    }
    traffic.keep(table)
    accessLog.use(table)
    files.use(table)
    const saved = await state.save(table)
    return { status: 200, body: { version: table.version, saved } }
  }
  const drain = async (body: unknown, signal: AbortSignal): Promise<Reply> => {
    const { endpoints, ...times } = parseDrain(body)
    return { status: 200, body: await routing.upstreams.drain(endpoints, times, signal) }
  }
  const hold = async (body: unknown): Promise<Reply> => {
    const { project, ms } = (body ?? {}) as { project?: unknown; ms?: unknown }
    if (typeof project !== 'string' || project === '') throw new Error('project is not a name')
    const waiting = routing.holds.set(project, Math.min(time(ms, 'ms'), longestHoldMs))
    // before the answer: what serves the project now may stop at once
    await keptHolds.save(routing.holds.list())
    return { status: 200, body: { waiting } }
  }
  const look = async (body: unknown): Promise<Reply> => {
    const { files: of, path } = (body ?? {}) as { files?: unknown; path?: unknown }
    if (typeof path !== 'string' || !path.startsWith('/')) throw new Error('path is not one')
    return { status: 200, body: await files.look(parseFiles(of), path) }
  }
  const refuse = async (body: unknown): Promise<Reply> => {
    const { project, sentence: why, retryAfterS } = (body ?? {}) as Record<string, unknown>
    if (typeof project !== 'string' || typeof why !== 'string')
      throw new Error('project or sentence is no text')
    const page = pages.notWoken(project, why, Math.ceil(time(retryAfterS, 'retryAfterS')))
    return { status: 200, body: { waiting: routing.wakes.refuse(project, page) } }
  }
  const answer = async (request: IncomingMessage, signal: AbortSignal): Promise<Reply> => {
    const call = `${request.method} ${request.url}`
    if (call === 'GET /status') return { status: 200, body: { ...status(), saved: state.saved() } }
    if (call === 'GET /traffic') return { status: 200, body: traffic.report() }
    if (call === 'PUT /table') return apply(await readJson(request))
    if (call === 'POST /drain') return drain(await readJson(request), signal)
    if (call === 'POST /hold') return hold(await readJson(request))
    if (call === 'POST /refuse') return refuse(await readJson(request))
    if (call === 'POST /look') return look(await readJson(request))
    return { status: 404, body: { error: 'no such call' } }
  }
  return createServer((request, response) => {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    response.on('error', () => {})
    if (request.method === 'GET' && request.url === '/wakes') return streamWakes(routing.wakes, response)
    answer(request, gone.signal)
      .catch((error: unknown): Reply => ({ status: 400, body: { error: sentence(error) } }))
      .then((reply) => send(response, reply))
  })
}

interface Reply {
  readonly status: number
  readonly body: object
}

function send(response: ServerResponse, { status, body }: Reply): void {
  if (response.destroyed) return
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
  })
  response.end(text)
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > largestBody) throw new Error('the body is too large')
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}

function parseDrain(body: unknown) {
  const { endpoints, deadlineMs, endlessMs } = (body ?? {}) as Record<string, unknown>
  if (!Array.isArray(endpoints)) throw new Error('endpoints is not a list')
  const limit = Math.min(time(deadlineMs, 'deadlineMs'), longestDrainMs)
  const grace = endlessMs === undefined ? limit : time(endlessMs, 'endlessMs')
  return { endpoints: endpoints.map(parseEndpoint), deadlineMs: limit, endlessMs: grace }
}

function time(value: unknown, name: string): number {
  if (typeof value === 'number' && value >= 0) return value
  throw new Error(`${name} is not a time in ms`)
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
