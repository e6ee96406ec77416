import type { IncomingMessage } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Refusal } from '../engine/domain/refusal.ts'
import { discard } from './reply.ts'

/** The connection ended, or stood still for too long, before the body was complete. Nobody is there to answer. */
export class ClientLeft extends Error {
  override readonly name = 'ClientLeft'
}

/** The bytes of a request, inflated where the client compressed them, read only as fast as they are asked for. */
export interface Body extends AsyncIterator<Buffer> {
  next(): Promise<IteratorResult<Buffer, undefined>>
}

/**
 * Opens the body of a request. `onBytes` hears of every chunk. `next()` refuses with `malformed` when the
 * compressed form is damaged or ends early, and throws `ClientLeft` when the client does.
 */
export function openBody(req: IncomingMessage, onBytes: () => void): Body {
  const encoding = req.headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  const stream: Readable = encoding === 'identity' ? req : inflate(req)
  const iterator: AsyncIterator<Buffer> = stream.iterator({ destroyOnReturn: false })
  const next = async (): Promise<IteratorResult<Buffer, undefined>> => {
    try {
      const result = await iterator.next()
      onBytes()
      return result.done ? { done: true, value: undefined } : result
    } catch (error) {
      throw isDamage(error) ? damaged(error) : new ClientLeft('the client left', { cause: error })
    }
  }
  return { next }
}

/** What happens to a body on its way into git. */
export interface FeedLimits {
  /** Bytes this body may still have, after inflation. */
  readonly maxBytes: number
  readonly tooLarge: () => Refusal
}

/**
 * Writes `head` and then the whole body to git, at git's pace. Git may stop reading early, which is no
 * error: its report is on the way, and the client only listens once it has sent everything.
 */
export async function feed(head: Buffer, body: Body, stdin: Writable, limits: FeedLimits): Promise<void> {
  let bytes = 0
  let chunk: Buffer | undefined = head
  while (chunk) {
    if (stdin.writable && !stdin.write(chunk)) await writableAgain(stdin)
    const result: IteratorResult<Buffer, undefined> = await body.next()
    chunk = result.value
    bytes += chunk?.length ?? 0
    if (bytes > limits.maxBytes) throw limits.tooLarge()
  }
  stdin.end()
}

/** Not `pipeline`: that would destroy the connection with the stream, and no answer could be sent. */
function inflate(req: IncomingMessage): Readable {
  const gunzip = createGunzip()
  req.pipe(gunzip)
  req.once('close', () => {
    if (!req.complete) gunzip.destroy(new Error('aborted'))
  })
  gunzip.once('error', () => {
    req.unpipe(gunzip)
    discard(req, { bytes: 16 * 1024 * 1024, ms: 10_000 })
  })
  return gunzip
}

function isDamage(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code?.startsWith('Z_') === true
}

function damaged(cause: unknown): Refusal {
  return new Refusal('malformed', 'the compressed request is damaged or incomplete', { cause })
}

function writableAgain(stdin: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stdin.off('drain', done)
      stdin.off('close', done)
      stdin.off('error', done)
      resolve()
    }
    stdin.on('drain', done)
    stdin.on('close', done)
    stdin.on('error', done)
  })
}
