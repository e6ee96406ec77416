import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Header, Pax } from 'tar'
import type { SourceEntry } from '../ports.ts'
import { ByteReader } from './byte-reader.ts'
import { blameArchive, damaged } from './damaged.ts'

const blockSize = 512
/** Longest extended header: names and times, nothing that needs more. */
const maxMetaBytes = 1024 * 1024
/** Zeros after the end marker: tar fills up to its record size, tapes had large ones. */
const maxPaddingBytes = 1024 * 1024

const fileTypes: ReadonlySet<string> = new Set(['File', 'OldFile', 'ContiguousFile'])
const directoryTypes: ReadonlySet<string> = new Set(['Directory', 'GNUDumpDir'])
const paxTypes: ReadonlySet<string> = new Set(['ExtendedHeader', 'OldExtendedHeader'])
const longPathTypes: ReadonlySet<string> = new Set(['NextFileHasLongPath', 'OldGnuLongPath'])
/** Type bits (as in `st_mode`) by which the refusal says what an entry would have been. */
const otherTypes: Readonly<Record<string, number>> = {
  Link: 0o100000,
  CharacterDevice: 0o020000,
  BlockDevice: 0o060000,
  FIFO: 0o010000,
}

type Extension = Pax | Readonly<{ path?: string; linkpath?: string }>

/**
 * The entries of a tar file, one after another as they are asked for. The `tar` package reads the headers;
 * the walk is ours, because its Parser takes in whatever is written to it (a small gzip can hold a
 * thousand times its size), accepts an archive that was cut off between two entries, and unzips
 * twice where it can.
 * Refuses with `rejected_tree` what is damaged, truncated or followed by something else.
 */
export async function* tarEntries(
  file: string,
  gzip: boolean,
  signal: AbortSignal,
): AsyncGenerator<SourceEntry> {
  const reader = new ByteReader(tarBytes(file, gzip))
  try {
    let local: Extension | undefined
    let global: Extension | undefined
    for (;;) {
      signal.throwIfAborted()
      const header = parseHeader(await reader.exactly(blockSize), local, global)
      if (header.nullBlock) return await expectEnd(reader)
      const size = sizeOf(header)
      if (paxTypes.has(header.type)) local = Pax.parse(await metaText(reader, size), local, false)
      else if (header.type === 'GlobalExtendedHeader')
        global = Pax.parse(await metaText(reader, size), global, true)
      else if (longPathTypes.has(header.type)) local = { ...local, path: await metaText(reader, size) }
      else if (header.type === 'NextFileHasLongLinkpath')
        local = { ...local, linkpath: await metaText(reader, size) }
      else {
        const names = namesOf(header, local, global)
        local = undefined
        yield* entryWithBody(reader, header, size, names)
      }
    }
  } catch (error) {
    throw blameArchive('tar archive', error)
  } finally {
    await reader.close()
  }
}

/** Whether these first 512 bytes are a tar header: its checksum fits. */
export function looksLikeTar(block: Buffer): boolean {
  try {
    return block.length >= blockSize && new Header(block, 0).cksumValid
  } catch {
    return false
  }
}

/** The bytes of the tar itself, unzipped where it is gzipped. Memory stays at a few chunks. */
export async function* tarBytes(file: string, gzip: boolean): AsyncGenerator<Uint8Array> {
  const raw = createReadStream(file)
  // The callback form passes errors on to the iteration and cleans up both ends.
  const stream = gzip ? pipeline(raw, createGunzip(), () => {}) : raw
  try {
    for await (const chunk of stream) yield chunk as Uint8Array
  } finally {
    raw.destroy()
  }
}

function parseHeader(block: Buffer, local?: Extension, global?: Extension): Header {
  const header = new Header(block, 0, local, global)
  if (header.nullBlock) return header
  if (!header.cksumValid) throw damaged('tar archive', 'a header has a wrong checksum')
  if (header.path === undefined) throw damaged('tar archive', 'an entry has no name')
  return header
}

interface Names {
  readonly path: string
  readonly target: string
}

/** Extended names replace the header's, which may be cut off and still carry a prefix. */
function namesOf(header: Header, local?: Extension, global?: Extension): Names {
  return {
    path: local?.path ?? header.path ?? '',
    target: local?.linkpath ?? global?.linkpath ?? header.linkpath ?? '',
  }
}

function sizeOf(header: Header): number {
  if (header.size !== undefined && Number.isSafeInteger(header.size)) return header.size
  if (header.type === 'Directory' || header.type === 'SymbolicLink') return 0
  throw damaged('tar archive', 'an entry has no size')
}

/** Also passes over what the consumer left unread, and over the padding to the next block. */
async function* entryWithBody(
  reader: ByteReader,
  header: Header,
  size: number,
  names: Names,
): AsyncGenerator<SourceEntry> {
  let left = size
  async function* bytes(): AsyncGenerator<Uint8Array> {
    while (left > 0) {
      const chunk = await reader.atMost(left)
      if (!chunk) throw damaged('tar archive', 'it ends too early')
      left -= chunk.length
      yield chunk
    }
  }
  yield toEntry(header, size, names, bytes)
  await reader.skip(left + padding(size))
}

function toEntry(
  header: Header,
  size: number,
  { path, target }: Names,
  bytes: () => AsyncGenerator<Uint8Array>,
): SourceEntry {
  const mode = (header.mode ?? 0o644) & 0o777
  const { type } = header
  if (directoryTypes.has(type) || (type === 'OldFile' && path.endsWith('/'))) {
    return { path, kind: 'directory', mode, size: null, body: bytes }
  }
  if (fileTypes.has(type)) return { path, kind: 'file', mode, size, body: blaming(bytes) }
  if (type === 'SymbolicLink') {
    return { path, kind: 'symlink', mode, size: null, body: () => one(Buffer.from(target)) }
  }
  return { path, kind: 'other', mode: otherTypes[type] ?? 0, size, body: bytes }
}

/** A body is read outside of the walk's own try. */
function blaming(bytes: () => AsyncGenerator<Uint8Array>): () => AsyncGenerator<Uint8Array> {
  return async function* () {
    try {
      yield* bytes()
    } catch (error) {
      throw blameArchive('tar archive', error)
    }
  }
}

async function* one(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
  yield chunk
}

async function metaText(reader: ByteReader, size: number): Promise<string> {
  if (size > maxMetaBytes) throw damaged('tar archive', 'an extended header is too long')
  const body = await reader.exactly(size)
  await reader.skip(padding(size))
  const text = body.toString('utf8')
  const end = text.search(/\0+$/)
  return end === -1 ? text : text.slice(0, end)
}

/** After the end marker only zeros may come; reading them also proves the checksum of the gzip. */
async function expectEnd(reader: ByteReader): Promise<void> {
  let padded = 0
  for (;;) {
    const chunk = await reader.atMost(64 * 1024)
    if (!chunk) return
    padded += chunk.length
    if (padded > maxPaddingBytes || chunk.some((byte) => byte !== 0)) {
      throw damaged('tar archive', 'something follows after its end')
    }
  }
}

function padding(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize
}
