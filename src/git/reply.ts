import type { IncomingMessage, ServerResponse } from 'node:http'
import { isRefusal, type RefusalCode } from '../engine/domain/refusal.ts'

/** A short answer in plain text: git shows it to the person as `remote:` lines. */
export interface Reply {
  readonly status: number
  readonly code: string
  readonly sentence: string
  readonly hint?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What git's own server sends with everything: nothing here may be kept by a cache. */
export const neverCache: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-cache, max-age=0, must-revalidate',
  Expires: 'Fri, 01 Jan 1980 00:00:00 GMT',
  Pragma: 'no-cache',
}

export const signInFirst: Reply = {
  status: 401,
  code: 'unauthorized',
  sentence: 'sign in with your user name and your password or a token',
  headers: { 'WWW-Authenticate': 'Basic realm="NodePilot"' },
}

const statuses: Partial<Record<RefusalCode, number>> = {
  malformed: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  superseded: 409,
  too_large: 413,
  unsupported_media_type: 415,
  invalid: 422,
  too_many_requests: 429,
  unavailable: 503,
  disk_full: 507,
}

/** The reply for a refusal, null for everything that is a fault of the server. */
export function replyTo(error: unknown): Reply | null {
  if (!isRefusal(error)) return null
  const status = statuses[error.code]
  if (status === undefined) return null
  if (status === 401) return { ...signInFirst, sentence: error.message }
  const headers = status === 429 || status === 503 ? { 'Retry-After': String(error.retryAfter ?? 30) } : {}
  const hint = error.hint === undefined ? {} : { hint: error.hint }
  return { status, code: error.code, sentence: error.message, headers, ...hint }
}

/** The id is what a person can quote and an operator can find in the log. */
export function internalError(requestId: string): Reply {
  return {
    status: 500,
    code: 'internal',
    sentence: `internal error (request ${requestId})`,
    hint: 'look into the log of the server, then try again',
  }
}

/** Sends the reply and lets what is left of the request's body run into nothing. */
export function answer(req: IncomingMessage, res: ServerResponse, reply: Reply): void {
  if (res.headersSent || res.destroyed) {
    res.destroy()
    return
  }
  const hint = reply.hint === undefined ? '' : `hint: ${reply.hint}\n`
  const body = Buffer.from(`error: ${reply.code}: ${reply.sentence}\n${hint}`)
  res.writeHead(reply.status, {
    ...neverCache,
    ...reply.headers,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    'X-Content-Type-Options': 'nosniff',
  })
  res.end(req.method === 'HEAD' ? undefined : body)
  discard(req, { bytes: 16 * 1024 * 1024, ms: 10_000 })
}

/**
 * Reads the rest of a body and forgets it: an answer that is sent while the client still writes is lost
 * when the connection is simply closed. Beyond the limits the connection is closed.
 */
export function discard(req: IncomingMessage, limits: { bytes: number; ms: number }): void {
  req.unpipe()
  req.resume()
  if (req.complete || req.destroyed) return
  let left = limits.bytes
  const timer = setTimeout(() => req.destroy(), limits.ms)
  timer.unref()
  req.once('end', () => clearTimeout(timer))
  req.once('close', () => clearTimeout(timer))
  req.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) req.destroy()
  })
}
