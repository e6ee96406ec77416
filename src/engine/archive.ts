import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { ByteReader, TruncatedInput } from './archive/byte-reader.ts'
import { blameArchive } from './archive/damaged.ts'
import { displayName } from './archive/display-name.ts'
import { looksLikeTar, tarBytes, tarEntries } from './archive/tar.ts'
import { zipEntries } from './archive/zip.ts'
import { Refusal } from './domain/refusal.ts'
import type { Source } from './ports.ts'

export interface Upload {
  /** Where the upload lies on disk; it must stay there for as long as the Source is used. */
  readonly file: string
  /** What the sender called it: for people only, never trusted. */
  readonly filename: string
  /** Hex digest, where it was computed while the upload arrived. */
  readonly sha256?: string
}

type Format = 'zip' | 'tar' | 'tar.gz'

/** Formats people try, to be told by name that they will not do. */
const foreign: readonly (readonly [magic: string, name: string])[] = [
  ['fd377a585a00', 'xz'],
  ['425a68', 'bzip2'],
  ['28b52ffd', 'Zstandard'],
  ['377abcaf271c', '7-Zip'],
  ['526172211a07', 'RAR'],
]

/**
 * The Source of an uploaded ZIP, tar.gz or tar, recognised by its first bytes and not by its name.
 * Refuses with `unsupported_media_type` anything else, with `rejected_tree` a gzip that cannot be read.
 * Its entries are untrusted, and refused one by one as they are read.
 */
export async function openUpload(upload: Upload): Promise<Source> {
  const { file } = upload
  const { size } = await stat(file)
  const format = await recognise(file)
  const revision = `sha256:${upload.sha256 ?? (await sha256Of(file))}`
  return {
    kind: format === 'zip' ? 'zip' : 'tar',
    label: labelOf(upload.filename),
    revision,
    message: null,
    bytes: size,
    entries: (signal) =>
      format === 'zip' ? zipEntries(file, signal) : tarEntries(file, format === 'tar.gz', signal),
  }
}

async function recognise(file: string): Promise<Format> {
  const head = await firstBytes(file)
  const magic = head.toString('hex', 0, 8)
  if (magic.startsWith('504b0304') || magic.startsWith('504b0506')) return 'zip'
  if (magic.startsWith('1f8b')) {
    if (looksLikeTar(await firstUnzippedBytes(file))) return 'tar.gz'
    throw unsupported('it is gzip, but what is in it is no tar archive')
  }
  if (looksLikeTar(head)) return 'tar'
  const name = foreign.find(([start]) => magic.startsWith(start))?.[1]
  throw unsupported(
    name ? `${name} archives are not supported` : 'the upload is neither a ZIP nor a tar archive',
  )
}

function unsupported(sentence: string): Refusal {
  return new Refusal('unsupported_media_type', sentence, { hint: 'send a .zip, a .tar.gz or a .tgz' })
}

async function firstBytes(file: string): Promise<Buffer> {
  const handle = await open(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(512), 0, 512, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

async function firstUnzippedBytes(file: string): Promise<Buffer> {
  const reader = new ByteReader(tarBytes(file, true))
  try {
    return await reader.exactly(512)
  } catch (error) {
    if (error instanceof TruncatedInput) return Buffer.alloc(0)
    throw blameArchive('tar archive', error)
  } finally {
    await reader.close()
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array)
  return hash.digest('hex')
}

/** Browsers of old send whole paths. */
function labelOf(filename: string): string {
  return displayName(filename.split(/[/\\]/).at(-1)?.trim() ?? '') || 'upload'
}
