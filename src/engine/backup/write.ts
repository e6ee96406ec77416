import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { Header, Pax } from 'tar'
import { type Manifest, manifestPath } from './manifest.ts'
import { type Item, textItem } from './walk.ts'

export type ManifestHead = Pick<Manifest, 'id' | 'createdAt' | 'keys' | 'slugs' | 'projects'>

type Notes = { readonly [Key in 'files' | 'folders' | 'links' | 'changed' | 'skipped']: Manifest[Key] }

const blockBytes = 512

/** One tar.gz, streamed: memory stays at a few pieces. On disk when it resolves. */
export async function writeArchive(
  file: string,
  head: ManifestHead,
  items: AsyncIterable<Item>,
  signal: AbortSignal,
): Promise<Manifest> {
  const manifest: Manifest = {
    format: 1,
    ...head,
    files: [],
    folders: [],
    links: [],
    changed: [],
    skipped: [],
  }
  const blocks = Readable.from(tarBlocks(items, manifest), { objectMode: false })
  // a backup is made often and read seldom, and much of it is packed already
  await pipeline(blocks, createGzip({ level: 3 }), createWriteStream(file, { flags: 'wx', mode: 0o600 }), {
    signal,
  })
  const handle = await open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
  return manifest
}

async function* tarBlocks(items: AsyncIterable<Item>, manifest: Manifest): AsyncGenerator<Uint8Array> {
  for await (const item of items) {
    if (item.kind === 'file') yield* fileBlocks(item, manifest)
    else if (item.kind === 'skipped') manifest.skipped.push(item.path)
    else if (item.kind === 'folder') {
      manifest.folders.push({ path: item.path, mode: item.mode })
      yield headerOf({ path: `${item.path}/`, mode: item.mode, size: 0, type: 'Directory' })
    } else {
      manifest.links.push({ path: item.path, target: item.target })
      yield headerOf({ path: item.path, mode: 0o777, size: 0, type: 'SymbolicLink', linkpath: item.target })
    }
  }
  const last = textItem(manifestPath, JSON.stringify(manifest))
  if (last.kind === 'file')
    yield* fileBlocks(last, { files: [], folders: [], links: [], changed: [], skipped: [] })
  yield Buffer.alloc(2 * blockBytes)
}

async function* fileBlocks(item: Item & { kind: 'file' }, notes: Notes): AsyncGenerator<Uint8Array> {
  const { path, mode, size } = item
  yield headerOf({ path, mode, size, type: 'File' })
  const hash = createHash('sha256')
  const body = item.body()
  for (;;) {
    const { done, value } = await body.next()
    if (done) {
      if (!value.steady) notes.changed.push(path)
      break
    }
    hash.update(value)
    yield value
  }
  notes.files.push({ path, bytes: size, mode, sha256: hash.digest('hex') })
  const rest = size % blockBytes
  if (rest > 0) yield Buffer.alloc(blockBytes - rest)
}

function headerOf(fields: {
  readonly path: string
  readonly mode: number
  readonly size: number
  readonly type: 'File' | 'Directory' | 'SymbolicLink'
  readonly linkpath?: string
}): Buffer {
  const header = new Header({ ...fields, uid: 0, gid: 0, mtime: new Date(0) })
  header.encode()
  const block = header.block ?? Buffer.alloc(blockBytes)
  if (!header.needPax) return block
  const { path, size, linkpath } = fields
  return Buffer.concat([new Pax({ path, size, ...(linkpath !== undefined && { linkpath }) }).encode(), block])
}
