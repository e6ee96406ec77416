import type { IncomingMessage } from 'node:http'
import { type Hop, headerValue, headerValues, type RawHeaders, requestHeaders } from './headers.ts'
import { hostOf, peerAddress } from './host.ts'

/** A request as the router understands it, before anything is sent anywhere. */
export interface Asked {
  readonly method: string
  /** Origin form, or `*`. */
  readonly path: string
  /** For the look-up in the table. */
  readonly host: string
  readonly hasBody: boolean
  /** RFC 9110 9.2.2: may be sent again when a connection was lost before an answer began. */
  readonly replayable: boolean
  readonly requestId: string
  /** What goes to the app or to the panel. */
  readonly headers: string[]
}

/** A request that no app must see. */
export interface Unfit {
  readonly status: 400 | 501
}

export interface AskedOptions {
  readonly trusts: (peer: string) => boolean
  readonly newRequestId: () => string
}

const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'DELETE', 'PUT'])

/** Reads the head of a request. `upgrade`: the protocols asked for, when they are to be passed on. */
export function readRequest(
  request: IncomingMessage,
  upgrade: string | null,
  { trusts, newRequestId }: AskedOptions,
): Asked | Unfit {
  const raw: RawHeaders = request.rawHeaders
  const method = request.method ?? 'GET'
  const target = readTarget(request.url ?? '/')
  const authority = readAuthority(raw, target?.authority)
  const host = authority === null ? null : hostOf(authority)
  if (!target || authority === null || host === null) return { status: 400 }
  const framing = readFraming(raw)
  if (framing === 'unknown') return { status: 501 }
  // Nobody could tell where such a body ends and the new protocol begins.
  if (upgrade !== null && framing !== 'none') return { status: 400 }
  const peer = peerAddress(request.socket.remoteAddress)
  const trusted = trusts(peer)
  const requestId = (trusted && givenId(raw)) || newRequestId()
  const hop: Hop = { authority, peer, trusted, requestId, framing, upgrade }
  const headers = requestHeaders(raw, hop)
  // Without this a POST that has no body would be sent as an empty chunked one.
  if (framing === 'none' && upgrade === null && needsLength(method) && !headerValue(raw, 'content-length')) {
    headers.push('Content-Length', '0')
  }
  const hasBody = framing !== 'none'
  const replayable = !hasBody && idempotent.has(method)
  return { method, path: target.path, host, hasBody, replayable, requestId, headers }
}

/** The same address at another host, with the scheme and port that the client used. */
export function addressAt(host: string, { headers, path }: Asked): string {
  const scheme = headerValue(headers, 'x-forwarded-proto') === 'https' ? 'https' : 'http'
  const port = /:\d{1,5}$/.exec(headerValue(headers, 'x-forwarded-host') ?? '')?.[0] ?? ''
  return `${scheme}://${host}${port}${path === '*' ? '/' : path}`
}

/** Request ids need to be unique, not secret: the start of the process and a counter. */
export function requestIds(prefix: string): () => string {
  let count = 0
  return () => `${prefix}-${(++count).toString(36).padStart(4, '0')}`
}

/** RFC 9112 3.2: `/path`, `*`, or a whole URL, whose authority then counts instead of the Host header. */
function readTarget(url: string): { path: string; authority?: string } | null {
  if (url.startsWith('/') || url === '*') return { path: url }
  const absolute = /^https?:\/\/([^/?#@]+)(.*)$/i.exec(url)
  if (!absolute) return null
  const rest = absolute[2] as string
  return { path: rest.startsWith('/') ? rest : `/${rest}`, authority: absolute[1] as string }
}

/** Two Host headers could mean one thing here and another behind: null. */
function readAuthority(raw: RawHeaders, ofTarget: string | undefined): string | null {
  const hosts = headerValues(raw, 'host')
  return hosts.length > 1 ? null : (ofTarget ?? hosts[0] ?? '')
}

function readFraming(raw: RawHeaders): 'none' | 'length' | 'chunked' | 'unknown' {
  const encodings = headerValues(raw, 'transfer-encoding')
  if (encodings.length > 1) return 'unknown'
  if (encodings[0] !== undefined)
    return encodings[0].trim().toLowerCase() === 'chunked' ? 'chunked' : 'unknown'
  const length = headerValue(raw, 'content-length')
  return length === undefined || Number(length) === 0 ? 'none' : 'length'
}

function needsLength(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
}

function givenId(raw: RawHeaders): string | undefined {
  const id = headerValue(raw, 'x-request-id')
  return id !== undefined && /^[\w.:=+/@-]{1,128}$/.test(id) ? id : undefined
}
