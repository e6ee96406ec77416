import { connectionOptions, protoOf, requestHead, type Sender } from './headers.ts'
import { hostOf } from './host.ts'
import { type Fields, fieldValue, fieldValues } from './http/fields.ts'
import { type Framing, requestFraming } from './http/framing.ts'
import type { RequestHead } from './http/messages.ts'

/** A request as the router understands it, before anything is sent anywhere. */
export interface Asked {
  readonly method: string
  /** Origin form, or `*`. */
  readonly path: string
  /** For the look-up in the table. */
  readonly host: string
  /** With the port, as the client wrote it. */
  readonly authority: string
  /** Of HTTP/1.x, as the client speaks it. */
  readonly minor: 0 | 1
  readonly framing: Framing
  /** It asks to change the protocol, and that is passed on. */
  readonly isUpgrade: boolean
  /**
   * Changes nothing (RFC 9110 9.2.1), so that it may go over any kept connection, and once more when that one was
   * closed from the other side in that moment. All others go where a connection is known to be fresh, once.
   */
  readonly replayable: boolean
  /** The client waits for "100 Continue" before it sends the body. */
  readonly expects: boolean
  /** The client wants to go on with this connection. */
  readonly keepAlive: boolean
  readonly requestId: string
  /** As the client sent them. */
  readonly fields: Fields
  readonly sender: Sender
  /** What goes to the app or to the panel. */
  readonly head: string
  /** How many bytes the head took on the wire. */
  readonly headBytes: number
}

/** The status of a request that no app must see. */
export type Unfit = 400 | 501

const safe: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

export interface Arrival {
  readonly sender: Sender
  readonly newRequestId: () => string
  readonly headBytes: number
}

/** Understands the head of a request and writes the one that is sent on. */
export function readRequest(
  request: RequestHead,
  { sender, newRequestId, headBytes }: Arrival,
): Asked | Unfit {
  const { method, fields, minor } = request
  if (method === 'CONNECT') return 501
  const target = readTarget(request)
  const authority = readAuthority(request, target?.authority)
  const host = authority === null ? null : hostOf(authority)
  if (!target || authority === null || host === null) return 400
  const framing = requestFraming(fields, minor)
  if (typeof framing === 'number') return framing
  const options = fieldValues(fields, 'connection').flatMap(connectionOptions)
  const upgrade = minor === 1 && options.includes('upgrade') ? tunnelled(fields) : null
  // Nobody could tell where such a body ends and the new protocol begins.
  if (upgrade !== null && framing.kind !== 'none') return 400
  const requestId = (sender.trusted && givenId(fields)) || newRequestId()
  const { path } = target
  return {
    method,
    path,
    host,
    authority,
    minor,
    framing,
    isUpgrade: upgrade !== null,
    replayable: framing.kind === 'none' && safe.has(method),
    expects: minor === 1 && fieldValue(fields, 'expect')?.toLowerCase() === '100-continue',
    keepAlive: minor === 1 ? !options.includes('close') : options.includes('keep-alive'),
    requestId,
    fields,
    sender,
    head: requestHead(request, { path, authority, requestId, framing, upgrade, sender }),
    headBytes,
  }
}

/** The same address at another host, with the scheme and port that the client used. */
export function addressAt(host: string, asked: Asked): string {
  const { fields, path, sender, authority } = asked
  const before = sender.trusted ? fieldValue(fields, 'x-forwarded-host') : undefined
  const port = /:\d{1,5}$/.exec(before ?? authority)?.[0] ?? ''
  return `${schemeOf(asked)}://${host}${port}${path === '*' ? '/' : path}`
}

/** What the client spoke, as far as the router can know. */
export function schemeOf({ fields, sender }: Asked): 'http' | 'https' {
  return protoOf(sender.trusted ? fieldValue(fields, 'x-forwarded-proto') : undefined)
}

/** Who asks. The last address the proxy in front has added is the one that it saw itself. */
export function clientOf({ sender, fields }: Asked): string {
  // some proxies add a line of their own below those of the client
  const forwarded = sender.trusted ? fieldValues(fields, 'x-forwarded-for').at(-1) : undefined
  const last = forwarded?.split(',').at(-1)?.trim()
  return last && /^[\da-fA-F.:]{2,45}$/.test(last) ? last : sender.address
}

/** Request ids need to be unique, not secret: the start of the process and a counter. */
export function requestIds(prefix: string): () => string {
  let count = 0
  return () => `${prefix}-${(++count).toString(36).padStart(4, '0')}`
}

/** RFC 9112 3.2: `/path`, `*`, or a whole URL, whose authority then counts instead of the Host header. */
function readTarget({ method, target }: RequestHead): { path: string; authority?: string } | null {
  if (target.startsWith('/')) return { path: target }
  if (target === '*') return method === 'OPTIONS' ? { path: target } : null
  const absolute = /^https?:\/\/([^/?#@]+)([/?].*)?$/i.exec(target)
  if (!absolute) return null
  const rest = absolute[2] ?? '/'
  return { path: rest.startsWith('/') ? rest : `/${rest}`, authority: absolute[1] as string }
}

/** None where HTTP/1.1 wants one, or two, which could mean one thing here and another behind: null. */
function readAuthority({ fields, minor }: RequestHead, ofTarget: string | undefined): string | null {
  const first = fields.lower.indexOf('host')
  if (first < 0) return minor === 1 ? null : (ofTarget ?? '')
  if (fields.lower.indexOf('host', first + 1) >= 0) return null
  const host = fields.values[first] as string
  return ofTarget === undefined || hostOf(host) === null ? host : ofTarget
}

/**
 * The protocols an upgrade asks for, or null for those the router does not pass on: another version of HTTP
 * inside a tunnel would pass by everything it does to requests. Who offers h2c takes a plain answer as well.
 */
function tunnelled(fields: Fields): string | null {
  const protocols = fieldValues(fields, 'upgrade').join(', ')
  const isTunnel = (protocol: string) => !/^(?:h2c?|http\/.*|tls\/.*)?$/i.test(protocol.trim())
  return protocols.split(',').every(isTunnel) ? protocols : null
}

function givenId(fields: Fields): string | undefined {
  const id = fieldValue(fields, 'x-request-id')
  return id !== undefined && /^[\w.:=+/@-]{1,128}$/.test(id) ? id : undefined
}
