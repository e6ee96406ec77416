import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

/** Below this an answer fits into one packet anyway; above, it would keep a deploy waiting. Bytes. */
const [smallest, largest] = [1_000, 30_000_000]
const types =
  /^(?:text\/|application\/(?:javascript|json|xml|wasm|manifest\+json|rtf|[\w.-]+\+(?:json|xml))|image\/(?:svg\+xml|bmp|x-icon|vnd\.microsoft\.icon)|font\/(?:ttf|otf)|application\/vnd\.ms-fontobject)/

export function isCompressible(type: string, size: number): boolean {
  return size >= smallest && size <= largest && types.test(type)
}

/** Writes the compressed twins that are worth it, smallest first: `<hash>.br`, `<hash>.gz`. */
export async function writeTwins(
  bytes: Buffer,
  folder: string,
  hash: string,
  signal: AbortSignal,
): Promise<string[]> {
  const [br, gz] = await Promise.all([toBrotli(bytes), toGzip(bytes)])
  signal.throwIfAborted()
  const worth = Object.entries({ br, gz }).filter(([, twin]) => twin.length < bytes.length * 0.95)
  for (const [encoding, twin] of worth) await writeFile(path.join(folder, `${hash}.${encoding}`), twin)
  return worth.map(([encoding]) => encoding)
}

/** The last percents, of quality 11, cost ten times as long: over a second a megabyte, in every first deploy. */
function toBrotli(bytes: Buffer): Promise<Buffer> {
  const quality = bytes.length <= 4_000_000 ? 9 : 5
  return promisify(brotliCompress)(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  })
}

function toGzip(bytes: Buffer): Promise<Buffer> {
  return promisify(gzip)(bytes, { level: bytes.length <= 4_000_000 ? 9 : 6 })
}
