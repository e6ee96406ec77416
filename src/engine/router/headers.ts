import { isIP } from 'node:net'

/** Names and values in turn, as `rawHeaders` has them: order, case and duplicates are kept. */
export type RawHeaders = readonly string[]

/** RFC 9110 7.6.1: these speak to the next machine only. `Trailer` is treated where bodies are framed. */
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
  /** The Host header to send. */
  readonly authority: string
  /** Address of the machine that connected. */
  readonly peer: string
  /** Its word about who came before it counts. */
  readonly trusted: boolean
  readonly requestId: string
  readonly framing: 'none' | 'length' | 'chunked'
  /** Protocols of an upgrade that is passed on. */
  readonly upgrade: string | null
}

/** The headers an app gets. */
export function requestHeaders(raw: RawHeaders, hop: Hop): string[] {
  const named = namedByConnection(raw)
  const sent: string[] = ['Host', hop.authority]
  const before: Partial<Record<string, string>> = {}
  for (let n = 0; n + 1 < raw.length; n += 2) {
    const name = raw[n] as string
    const value = raw[n + 1] as string
    const lower = name.toLowerCase()
    if (lower === 'host' || hopByHop.has(lower) || named?.has(lower)) continue
    if (lower === 'trailer' && hop.framing !== 'chunked') continue
    if (speaksOfSender(lower)) {
      if (!hop.trusted) continue
      if (replaced.has(lower)) {
        before[lower] = before[lower] === undefined ? value : `${before[lower]}, ${value}`
        continue
      }
    }
    sent.push(name, value)
  }
  if (hop.framing === 'chunked') sent.push('Transfer-Encoding', 'chunked')
  if (hop.upgrade !== null) sent.push('Connection', 'Upgrade', 'Upgrade', hop.upgrade)
  addSender(sent, hop, before)
  return sent
}

/** The headers a client gets: those of the app without what spoke to the router alone. */
export function responseHeaders(raw: RawHeaders, requestId: string, keepTrailer: boolean): string[] {
  const named = namedByConnection(raw)
  const sent: string[] = []
  for (let n = 0; n + 1 < raw.length; n += 2) {
    const name = raw[n] as string
    const lower = name.toLowerCase()
    if (hopByHop.has(lower) || named?.has(lower) || lower === 'x-request-id') continue
    if (lower === 'trailer' && !keepTrailer) continue
    sent.push(name, raw[n + 1] as string)
  }
  sent.push('X-Request-Id', requestId)
  return sent
}

/** The first value of a header, `name` in lower case. */
export function headerValue(raw: RawHeaders, name: string): string | undefined {
  return headerValues(raw, name)[0]
}

/** The value of every line of a header, `name` in lower case. */
export function headerValues(raw: RawHeaders, name: string): string[] {
  const values: string[] = []
  for (let n = 0; n + 1 < raw.length; n += 2) {
    const candidate = raw[n] as string
    if (candidate.length === name.length && candidate.toLowerCase() === name)
      values.push(raw[n + 1] as string)
  }
  return values
}

/** Trailers in pairs, without fields that could change how a message is read (RFC 9110 6.5.1). */
export function trailerPairs(raw: RawHeaders): [string, string][] {
  const pairs: [string, string][] = []
  for (let n = 0; n + 1 < raw.length; n += 2) {
    const name = raw[n] as string
    const lower = name.toLowerCase()
    if (hopByHop.has(lower) || notByConnection.has(lower) || speaksOfSender(lower)) continue
    pairs.push([name, raw[n + 1] as string])
  }
  return pairs
}

const replaced: ReadonlySet<string> = new Set([
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
  'x-request-id',
])

function speaksOfSender(lower: string): boolean {
  return (
    lower.startsWith('x-forwarded-') ||
    lower === 'forwarded' ||
    lower === 'x-request-id' ||
    lower === 'x-real-ip'
  )
}

/**
 * Taken over unchanged from the trusted proxy, so that an app sees one proxy and the last address of
 * X-Forwarded-For is the one that proxy saw; from anybody else, written anew.
 */
function addSender(sent: string[], hop: Hop, before: Partial<Record<string, string>>): void {
  const forwardedFor = before['x-forwarded-for'] ?? hop.peer
  const proto = firstOf(before['x-forwarded-proto']) === 'https' ? 'https' : 'http'
  const host = before['x-forwarded-host'] ?? hop.authority
  sent.push('X-Forwarded-For', forwardedFor, 'X-Forwarded-Proto', proto, 'X-Forwarded-Host', host)
  sent.push('Forwarded', before.forwarded ?? forwarded(forwardedFor, proto, host))
  sent.push('X-Request-Id', hop.requestId)
}

/** RFC 7239. */
function forwarded(addresses: string, proto: string, host: string): string {
  const [first = 'unknown', ...others] = addresses.split(',').map((address) => forwardedNode(address.trim()))
  const elements = [`for=${first};host="${host.replace(/["\\]/g, '')}";proto=${proto}`]
  return elements.concat(others.map((node) => `for=${node}`)).join(', ')
}

function forwardedNode(address: string): string {
  const version = isIP(address)
  if (version === 4) return address
  return version === 6 ? `"[${address}]"` : 'unknown'
}

function firstOf(list: string | undefined): string | undefined {
  return list?.split(',', 1)[0]?.trim().toLowerCase()
}

function namedByConnection(raw: RawHeaders): Set<string> | null {
  let named: Set<string> | null = null
  for (let n = 0; n + 1 < raw.length; n += 2) {
    const name = raw[n] as string
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue
    const value = (raw[n + 1] as string).toLowerCase()
    if (value === 'keep-alive' || value === 'close') continue
    named ??= new Set()
    for (const token of value.split(',')) {
      const option = token.trim()
      if (!notByConnection.has(option)) named.add(option)
    }
  }
  return named
}
