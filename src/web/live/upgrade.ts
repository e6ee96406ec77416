import type { IncomingMessage } from 'node:http'
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Hono } from 'hono'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Report } from '../../engine/context.ts'
import { Refusal } from '../../engine/domain/refusal.ts'
import { problem } from '../errors.ts'
import { letGo } from '../let-go.ts'
import type { Env } from '../services.ts'

/**
 * Connections that ask to become WebSockets. Each goes through the same middleware and handler as a request of
 * its address: whoever may not, gets the same answer as plain HTTP before any frame. A handler that agrees takes
 * `c.env.upgrade` and says what to do with the socket.
 */

/** Runs while the socket is open; it is closed when this ends. */
export type SocketWork = (socket: WebSocket, wire: Duplex, left: AbortSignal) => Promise<void>

export interface Sockets {
  handle(request: IncomingMessage, wire: Duplex, head: Buffer): void
  /** Tells all of them to come back later. */
  close(): Promise<void>
}

const pingMs = 30_000
/** Viewers have nothing to say, bytes. */
const longestMessage = 1_024

export function createSockets(web: Hono<Env>, report: Report): Sockets {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: longestMessage,
    perMessageDeflate: false,
    clientTracking: true,
    // never the secret itself, unless the client offers nothing else to choose
    handleProtocols: (offered) => [...offered].find((name) => !isSecret(name)) ?? [...offered][0] ?? false,
  })
  const answer = async (request: IncomingMessage, wire: Duplex, head: Buffer) => {
    if (!/^websocket$/i.test(request.headers.upgrade ?? '')) return decline(wire, wrongProtocol())
    if (!isOurOrigin(request)) return decline(wire, foreignOrigin())
    let work: SocketWork | null = null
    const upgrade = (agreed: SocketWork) => {
      work = agreed
    }
    const asked = asRequest(request)
    if (!asked) return decline(wire, noAddress())
    const response = await web.fetch(asked, { incoming: request, upgrade })
    const agreed = work as SocketWork | null
    if (!agreed && !response.ok) return decline(wire, response)
    await letGo(response)
    if (!agreed) return decline(wire, nothingHere())
    if (wire.destroyed) return
    server.handleUpgrade(request, wire, head, (socket) => void run(socket, wire, agreed, report))
  }
  return {
    handle(request, wire, head) {
      wire.on('error', () => wire.destroy())
      answer(request, wire, head).catch((error) => {
        report.error('opening a WebSocket', error)
        wire.destroy()
      })
    },
    async close() {
      for (const socket of server.clients) socket.close(1012, 'the server restarts')
      await Promise.all([...server.clients].map((socket) => ended(socket, 500)))
    },
  }
}

async function run(socket: WebSocket, wire: Duplex, work: SocketWork, report: Report): Promise<void> {
  const left = new AbortController()
  let alive = true
  const timer = setInterval(() => {
    if (!alive) return socket.terminate()
    alive = false
    socket.ping()
  }, pingMs)
  socket.on('pong', () => {
    alive = true
  })
  socket.on('error', () => left.abort())
  socket.on('close', () => left.abort())
  try {
    await work(socket, wire, left.signal)
    socket.close(1000)
  } catch (error) {
    if (!(error instanceof Refusal)) report.error('serving a WebSocket', error)
    socket.close(
      error instanceof Refusal ? 1008 : 1011,
      error instanceof Refusal ? error.message.slice(0, 100) : '',
    )
  } finally {
    left.abort()
    clearInterval(timer)
    // a viewer that does not say goodbye is not waited for
    setTimeout(() => socket.terminate(), 2_000).unref()
  }
}

function ended(socket: WebSocket, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      socket.terminate()
      resolve()
    }, ms)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/**
 * Programs send no Origin. A page's must be ours, whatever it knows: cookies go along with a WebSocket of any
 * page, and no same-origin policy stands in its way.
 */
function isOurOrigin({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers
  if (origin === undefined) return true
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}

const secretPrefix = 'bearer.'
const isSecret = (protocol: string) => protocol.toLowerCase().startsWith(secretPrefix)

/**
 * The upgrade as the request it would be without it; browsers can hand a token over only as a protocol. Null where
 * host and path make no address.
 */
function asRequest(request: IncomingMessage): Request | null {
  const address = `http://${request.headers.host ?? 'localhost'}${request.url ?? '/'}`
  if (!URL.canParse(address)) return null
  const headers = new Headers()
  const { rawHeaders } = request
  for (let n = 0; n + 1 < rawHeaders.length; n += 2)
    headers.append(rawHeaders[n] ?? '', rawHeaders[n + 1] ?? '')
  const protocols = headers.get('sec-websocket-protocol')?.split(',') ?? []
  const secret = protocols.map((name) => name.trim()).find(isSecret)
  if (secret && !headers.has('authorization')) {
    headers.set('authorization', `Bearer ${secret.slice(secretPrefix.length)}`)
  }
  return new Request(address, { headers })
}

/** The answer as plain HTTP; the connection ends with it. */
async function decline(wire: Duplex, response: Response): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer())
  const head = [`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ''}`]
  for (const [name, value] of response.headers) {
    if (!/^(connection|content-length|transfer-encoding)$/i.test(name)) head.push(`${name}: ${value}`)
  }
  head.push(`content-length: ${body.length}`, 'connection: close', '', '')
  wire.end(Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), body]))
  wire.resume()
  setTimeout(() => wire.destroy(), 2_000).unref()
}

const noAddress = () => problem(new Refusal('malformed', 'host and path make no address'))
const nothingHere = () => problem(new Refusal('not_found', 'there is no WebSocket at this address'))
const wrongProtocol = () =>
  problem(new Refusal('not_found', 'the connection can become nothing but a WebSocket, at its own address'))
const foreignOrigin = () =>
  problem(
    new Refusal('forbidden', 'the page that asks belongs to another site', {
      hint: 'programs leave out the header Origin',
    }),
  )
