import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Asked, type AskedOptions, readRequest, type Unfit } from './asked.ts'
import { Exchange } from './exchange.ts'
import { headerValues } from './headers.ts'
import { pageForm, pages, rawAnswer, renderPage } from './pages.ts'
import type { Routing } from './routing.ts'
import type { Traffic } from './traffic.ts'
import { closeAfterEnd, Tunnel } from './tunnel.ts'

/** The server on the public port. */
export interface Front {
  readonly server: Server
  /** Clients with a request or a tunnel under way. */
  open(): number
  /** Lets requests finish, `graceMs` at most; tunnels and event streams, whose clients come again, end now. */
  end(graceMs: number): Promise<void>
}

/** Longer than the proxies in front of it keep idle connections (Caddy: 2 min is cut by its own retry), ms. */
const keepAliveMs = 65_000
const headersMs = 60_000

export function createFront(routing: Routing, traffic: Traffic, asking: AskedOptions): Front {
  const exchanges = new Set<Exchange>()
  const tunnels = new Set<Tunnel>()
  let ending = false
  const server = createServer({ keepAlive: true, keepAliveInitialDelay: 60_000, noDelay: true })
  server.keepAliveTimeout = keepAliveMs
  server.headersTimeout = headersMs
  // A push of 300 MB over a slow line takes as long as it takes.
  server.requestTimeout = 0
  server.timeout = 0

  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const asked = readRequest(request, null, asking)
    if (isUnfit(asked)) return refuse(request, response, asked)
    const exchange = new Exchange(request, response, asked, { routing, traffic, ending: () => ending })
    exchanges.add(exchange)
    exchange.start(() => exchanges.delete(exchange))
  }
  server.on('request', serve)
  // Without this node would say "100 Continue" itself, before the app was asked.
  server.on('checkContinue', serve)
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const protocols = headerValues(request.rawHeaders, 'upgrade').join(', ')
    if (!isTunnelled(protocols)) return withoutUpgrade(server, request, socket, head)
    const asked = readRequest(request, protocols, asking)
    if (isUnfit(asked)) return refuseRaw(socket, asked)
    const tunnel = new Tunnel(request, socket, head, asked, { routing, traffic })
    tunnels.add(tunnel)
    tunnel.start(() => tunnels.delete(tunnel))
  })
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => refuseRaw(socket, { status: 501 }))
  server.on('clientError', refuseUnreadable)

  return {
    server,
    open: () => exchanges.size + tunnels.size,
    async end(graceMs) {
      ending = true
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const tunnel of tunnels) tunnel.cut()
      for (const exchange of exchanges) exchange.cutEndless()
      // Connections that become idle from now on.
      const sweep = setInterval(() => server.closeIdleConnections(), 50)
      const late = setTimeout(() => server.closeAllConnections(), graceMs)
      await closed
      clearInterval(sweep)
      clearTimeout(late)
    },
  }
}

function isUnfit(asked: Asked | Unfit): asked is Unfit {
  return 'status' in asked
}

function refuse(request: IncomingMessage, response: ServerResponse, { status }: Unfit): void {
  const page = pages.unfit(status)
  const answer = renderPage(page, pageForm(page, '/', request.headers.accept), null)
  // What follows on this connection cannot be trusted to be a request.
  response.shouldKeepAlive = false
  response.on('error', () => {})
  response.writeHead(answer.status, answer.reason, answer.headers)
  response.end(answer.body)
}

function refuseRaw(socket: Duplex, { status }: Unfit): void {
  socket.on('error', () => {})
  socket.end(rawAnswer(renderPage(pages.unfit(status), 'text', null)))
  closeAfterEnd(socket)
}

/** Requests node could not read: smuggling attempts, oversized heads, heads that never end. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  socket.on('error', () => {})
  const answering = (socket as Duplex & { _httpMessage?: ServerResponse })._httpMessage?.headersSent
  if (!socket.writable || error.code === 'ECONNRESET' || answering) {
    socket.destroy()
    return
  }
  const status = unreadable[error.code ?? ''] ?? 400
  socket.end(rawAnswer(renderPage({ ...pages.unfit(400), status }, 'text', null)))
  closeAfterEnd(socket)
}

const unreadable: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/** Another version of HTTP inside a tunnel would pass by everything the router does to requests. */
function isTunnelled(protocols: string): boolean {
  return protocols.split(',').every((protocol) => !/^\s*(?:h2c?|http\/.*|tls\/.*)?\s*$/i.test(protocol))
}

/**
 * A client that offers h2c with its first request (curl --http2, Java) takes a plain answer as well. Node has
 * given the connection away by now, so it gets it anew, with the same request but without the offer.
 */
function withoutUpgrade(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const raw = request.rawHeaders
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`]
  for (let n = 0; n + 1 < raw.length; n += 2) {
    const name = (raw[n] as string).toLowerCase()
    if (name === 'upgrade' || name === 'http2-settings') continue
    const value = raw[n + 1] as string
    lines.push(`${raw[n]}: ${name === 'connection' ? withoutOffer(value) : value}`)
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
  server.emit('connection', socket)
}

function withoutOffer(connection: string): string {
  const kept = connection.split(',').filter((option) => !/^\s*(?:upgrade|http2-settings)\s*$/i.test(option))
  return kept.length > 0 ? kept.join(',') : 'keep-alive'
}
