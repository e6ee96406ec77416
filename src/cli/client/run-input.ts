import { fstatSync } from 'node:fs'
import { Readable } from 'node:stream'
import type { Api } from './api.ts'

/** A pipe, a file or a socket, but no terminal and nothing like /dev/null. */
export function hasInput(descriptor = 0): boolean {
  try {
    const found = fstatSync(descriptor)
    return found.isFIFO() || found.isFile() || found.isSocket()
  } catch {
    return false
  }
}

/** While nothing comes for so long, no request is kept open: proxies would end it. ms */
const quietMs = 5_000

/**
 * Sends all of `source` to the command, as fast as it reads, and then the end of it. In parts: one ends where nothing
 * has come for a while.
 */
export async function sendInput(
  api: Api,
  where: string,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const chunks = source[Symbol.asyncIterator]()
  let next = chunks.next()
  const post = (part: Readable, more: boolean) =>
    api.ask('POST', where, {
      query: { more },
      upload: part,
      headers: { 'content-type': 'application/octet-stream' },
      signal,
    })
  async function* part(first: Uint8Array): AsyncGenerator<Uint8Array> {
    yield first
    for (;;) {
      next = chunks.next()
      const more = await unlessQuiet(next)
      if (more === null || more.done) return
      yield more.value
    }
  }
  for (let first = await next; !first.done; first = await next) {
    await post(Readable.from(part(first.value), { objectMode: false }), true)
  }
  await post(Readable.from([]), false)
}

/** Null where it takes too long. */
function unlessQuiet<T>(next: Promise<T>): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(null), quietMs)
    next.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
