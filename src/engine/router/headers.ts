import { isIP } from 'node:net'
import type { Fields } from './http/fields.ts'
import type { Framing } from './http/framing.ts'
import type { RequestHead } from './http/messages.ts'

/** RFC 9110 7.6.1: these speak to the next machine only. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'upgrade',
])

/** A client must not be able to take these away by naming them in `Connection`. */
const notByConnection: ReadonlySet<string> = new Set(['host', 'content-length', 'content-type', 'trailer'])

/** What the router itself says about a request. */
export interface Hop {
  /** Origin form, or `*`. */
  readonly path: string
  /** The Host header to send. */
  readonly authority: string
  readonly requestId: string
  readonly framing: Framing
  /** Protocols of an upgrade that is passed on; null: an offer of one is dropped. */
  readonly upgrade: string | null
  readonly sender: Sender
}

/** The machine that connected, and whether its word about who came before it counts. */
export interface Sender {
  readonly address: string
  readonly trusted: boolean
}

/** The head an app gets, up to the empty line and with it. */
export function requestHead({ method, fields }: RequestHead, hop: Hop): string {
  const { names, lower, values } = fields
  const { framing, sender } = hop
  const named = namedByConnection(fields)
  const before: Before = {}
  let head = `${method} ${hop.path} HTTP/1.1\r\nHost: ${hop.authority}\r\n`
  for (let n = 0; n < lower.length; n++) {
    const name = lower[n] as string
    if (name === 'host' || name === 'content-length' || hopByHop.has(name) || named?.has(name)) continue
    if (name === 'trailer' && framing.kind !== 'chunked') continue
    if (name === 'http2-settings' && hop.upgrade === null) continue
    if (speaksOfSender(name)) {
      if (!sender.trusted) continue
      if (replaced.has(name)) {
        before[name] = before[name] === undefined ? values[n] : `${before[name]}, ${values[n]}`
        continue
      }
    }
    head += `${names[n]}: ${values[n]}\r\n`
  }
  return head + framingLines(method, hop) + senderLines(hop, before)
}

function framingLines(method: string, { framing, upgrade }: Hop): string {
  if (upgrade !== null) return `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`
  if (framing.kind === 'length') return `Content-Length: ${framing.length}\r\nConnection: keep-alive\r\n`
  if (framing.kind === 'chunked') return 'Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n'
  // Said aloud, for some servers wait for a body where these methods say nothing.
  const expected = method === 'POST' || method === 'PUT' || method === 'PATCH'
  return expected ? 'Content-Length: 0\r\nConnection: keep-alive\r\n' : 'Connection: keep-alive\r\n'
}

/** The fields a client gets of an answer: those of the app without what spoke to the router alone. */
export function answerLines(
  fields: Fields,
  keep: { readonly length: boolean; readonly trailer: boolean },
): string {
  const { names, lower, values } = fields
  const named = namedByConnection(fields)
  let lines = ''
  for (let n = 0; n < lower.length; n++) {
    const name = lower[n] as string
    if (hopByHop.has(name) || named?.has(name) || name === 'x-request-id') continue
    if ((name === 'trailer' && !keep.trailer) || (name === 'content-length' && !keep.length)) continue
    lines += `${names[n]}: ${values[n]}\r\n`
  }
  return lines
}

/** Trailers as lines, without fields that could change how a message is read (RFC 9110 6.5.1). */
export function trailerLines(trailers: Fields | null): string {
  if (!trailers) return ''
  const { names, lower, values } = trailers
  let lines = ''
  for (let n = 0; n < lower.length; n++) {
    const name = lower[n] as string
    if (hopByHop.has(name) || notByConnection.has(name) || speaksOfSender(name)) continue
    lines += `${names[n]}: ${values[n]}\r\n`
  }
  return lines
}

const replaced: ReadonlySet<string> = new Set([
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
  'x-request-id',
])

type Before = Record<string, string | undefined>

function speaksOfSender(lower: string): boolean {
  const first = lower.charCodeAt(0)
  if (first === 0x66) return lower === 'forwarded'
  if (first !== 0x78) return false
  return lower.startsWith('x-forwarded-') || lower === 'x-request-id' || lower === 'x-real-ip'
}

/**
 * Taken over unchanged from the trusted proxy, so that an app sees one proxy and the last address of
 * X-Forwarded-For is the one that proxy saw; from anybody else, written anew.
 */
function senderLines({ sender, authority, requestId }: Hop, before: Before): string {
  const forwardedFor = before['x-forwarded-for'] ?? sender.address
  const proto = protoOf(before['x-forwarded-proto'])
  const host = before['x-forwarded-host'] ?? authority
  return (
    `X-Forwarded-For: ${forwardedFor}\r\nX-Forwarded-Proto: ${proto}\r\nX-Forwarded-Host: ${host}\r\n` +
    `Forwarded: ${before.forwarded ?? forwarded(forwardedFor, proto, host)}\r\n` +
    `X-Request-Id: ${requestId}\r\n\r\n`
  )
}

/** The scheme that a client used, as the machine in front says it. */
export function protoOf(forwardedProto: string | undefined): 'http' | 'https' {
  return forwardedProto?.split(',', 1)[0]?.trim().toLowerCase() === 'https' ? 'https' : 'http'
}

/** RFC 7239. */
function forwarded(addresses: string, proto: string, host: string): string {
  const plainHost = /["\\]/.test(host) ? host.replace(/["\\]/g, '') : host
  const end = `;host="${plainHost}";proto=${proto}`
  if (!addresses.includes(',')) return `for=${forwardedNode(addresses)}${end}`
  const [first, ...others] = addresses.split(',').map((address) => forwardedNode(address.trim()))
  return [`for=${first}${end}`, ...others.map((node) => `for=${node}`)].join(', ')
}

function forwardedNode(address: string): string {
  const version = isIP(address)
  if (version === 4) return address
  return version === 6 ? `"[${address}]"` : 'unknown'
}

function namedByConnection({ lower, values }: Fields): Set<string> | null {
  let named: Set<string> | null = null
  for (let n = lower.indexOf('connection'); n >= 0; n = lower.indexOf('connection', n + 1)) {
    for (const option of connectionOptions(values[n] as string)) {
      if (option === 'keep-alive' || option === 'close' || notByConnection.has(option)) continue
      named ??= new Set()
      named.add(option)
    }
  }
  return named
}

/** The options of one `Connection` field, in lower case. */
export function connectionOptions(value: string): readonly string[] {
  const lower = value.toLowerCase()
  return lower.includes(',') ? lower.split(',').map((option) => option.trim()) : [lower]
}
