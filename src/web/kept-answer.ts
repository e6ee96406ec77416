import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { Context } from 'hono'
import type { Actor } from '../engine/domain/access.ts'
import type { Env } from './services.ts'

/** Answers with `make`'s body, or with the one made before for the same eyes when nothing has changed since. */
export type KeptAnswers = (
  c: Context<Env>,
  what: {
    /** Beside address, query and actor: whatever else the body depends on. */
    readonly variant?: string
    readonly type: string
    make(): string | Promise<string>
  },
) => Promise<Response>

interface Kept {
  readonly revision: string
  readonly bytes: Buffer<ArrayBuffer>
  readonly etag: string
  zipped: Buffer<ArrayBuffer> | null
}

/** Different eyes on different pages; above this many everything is made anew. */
const mostKept = 200
const leastZipped = 1_000

/**
 * Lists and overviews are asked for much more often than anything changes. `revision` names the state of
 * everything that a body may be made of, so a kept one is never older than the truth.
 */
export function keepAnswers(revision: () => Promise<string>): KeptAnswers {
  const kept = new Map<string, Kept>()
  return async (c, { variant = '', type, make }) => {
    const now = await revision()
    const key = `${c.req.url}\n${eyesOf(c.get('actor'))}\n${variant}`
    let found = kept.get(key)
    if (found?.revision !== now) {
      if (kept.size >= mostKept) kept.clear()
      found = keep(now, await make())
      kept.set(key, found)
    }
    return answer(c, found, type)
  }
}

function keep(revision: string, body: string): Kept {
  const bytes = Buffer.from(body)
  const etag = `W/"${createHash('sha1').update(bytes).digest('base64url')}"`
  return { revision, bytes, etag, zipped: null }
}

function answer(c: Context<Env>, found: Kept, type: string): Response {
  const headers: Record<string, string> = {
    'content-type': type,
    'cache-control': 'private, no-cache',
    etag: found.etag,
    vary: 'Accept-Encoding, Authorization, Cookie, HX-Request',
  }
  if (c.req.header('if-none-match') === found.etag) return c.body(null, 304, headers)
  if (found.bytes.length < leastZipped || !takesGzip(c.req.header('accept-encoding'))) {
    return c.body(found.bytes, 200, headers)
  }
  found.zipped ??= gzipSync(found.bytes)
  return c.body(found.zipped, 200, { ...headers, 'content-encoding': 'gzip' })
}

function takesGzip(accepted: string | undefined): boolean {
  return accepted !== undefined && /(^|[\s,])(gzip|\*)\s*(,|$|;\s*q=(0\.\d*[1-9]|1))/i.test(accepted)
}

/** Two requests with the same eyes see the same. */
function eyesOf({ userId, role, token }: Actor): string {
  return `${userId} ${role} ${token?.id ?? '-'}`
}
