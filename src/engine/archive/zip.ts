import { type FileHandle, open } from 'node:fs/promises'
import { pipeline, Readable } from 'node:stream'
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib'
import { type Entry, fromRandomAccessReader, getFileNameLowLevel, type ZipFile } from 'yauzl'
import { Refusal } from '../domain/refusal.ts'
import type { EntryKind, SourceEntry } from '../ports.ts'
import { blameArchive, damaged } from './damaged.ts'
import { displayName } from './display-name.ts'
import { ByteRanges, FileWindow, WindowReader } from './zip-bytes.ts'

const stored = 0
const deflated = 8
const chunkSize = 64 * 1024
/** Up to here a file is inflated in one call: a stream for each costs more than the work. */
const smallCompressed = 64 * 1024
const smallInflated = 256 * 1024

/** Hosts whose external attributes carry Unix modes: Unix, macOS. */
const unixHosts: ReadonlySet<number> = new Set([3, 19])
const kindsByType: ReadonlyMap<number, EntryKind> = new Map([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
])

interface Archive {
  readonly window: FileWindow
  readonly ranges: ByteRanges
  /** Where the central directory begins: no file's bytes reach beyond. */
  readonly directoryStart: number
}

/**
 * The entries of a ZIP file in the order of its central directory. yauzl reads the directory; sizes,
 * checksums, overlaps and the agreement of the two headers of an entry are checked here, when its body is
 * read. Refuses with `rejected_tree` what is damaged, encrypted or compressed in another way than deflate.
 */
export async function* zipEntries(file: string, signal: AbortSignal): AsyncGenerator<SourceEntry> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    const zip = await openDirectory(handle, size)
    const archive: Archive = {
      window: new FileWindow(handle, size),
      ranges: new ByteRanges(),
      directoryStart: zip.cursor(),
    }
    for (;;) {
      signal.throwIfAborted()
      const entry = await zip.next()
      if (!entry) break
      yield toSourceEntry(archive, entry)
    }
    await expectDirectoryEnd(archive.window, zip.cursor())
  } catch (error) {
    throw blameArchive('ZIP', error)
  } finally {
    await handle.close()
  }
}

interface Directory {
  next(): Promise<Entry | null>
  cursor(): number
}

async function openDirectory(handle: FileHandle, size: number): Promise<Directory> {
  const reader = new WindowReader(new FileWindow(handle, size))
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    reader.once('error', reject)
    // Names stay bytes: which encoding they are in is decided here, which names are allowed by the writer.
    const options = { lazyEntries: true, autoClose: false, decodeStrings: false, validateEntrySizes: true }
    fromRandomAccessReader(reader, size, options, (error, opened) =>
      error ? reject(error) : resolve(opened),
    )
  })
  zip.on('error', () => {})
  return { next: () => nextEntry(zip), cursor: () => Number(zip.readEntryCursor) }
}

function nextEntry(zip: ZipFile): Promise<Entry | null> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      zip.off('entry', onEntry).off('end', onEnd).off('error', onError)
      then()
    }
    const onEntry = (entry: Entry) => settle(() => resolve(entry))
    const onEnd = () => settle(() => resolve(null))
    const onError = (error: Error) => settle(() => reject(error))
    zip.on('entry', onEntry).on('end', onEnd).on('error', onError)
    zip.readEntry()
  })
}

/** The directory's count of entries may lie: an entry that other programs see must not be hidden from us. */
async function expectDirectoryEnd(window: FileWindow, position: number): Promise<void> {
  const signature = (await window.read(position, 4)).toString('latin1')
  if (signature === 'PK\x01\x02') throw damaged('ZIP', 'it holds more entries than it says')
}

function toSourceEntry(archive: Archive, entry: Entry): SourceEntry {
  const path = decodeName(entry)
  const { kind, mode } = kindAndMode(entry, path)
  refuseUnreadable(entry, path)
  return { path, kind, mode, size: entry.uncompressedSize, body: () => body(archive, entry, path) }
}

/** UTF-8 where it is valid: macOS writes it without saying so. Else the extra field, else code page 437. */
function decodeName(entry: Entry): string {
  const raw = entry.fileNameRaw
  const hasUnicodeField = entry.extraFields.some((field) => field.id === 0x7075)
  if (!hasUnicodeField) {
    const text = raw.toString('utf8')
    if (Buffer.from(text, 'utf8').equals(raw)) return text
  }
  return getFileNameLowLevel(entry.generalPurposeBitFlag, raw, entry.extraFields, true)
}

function kindAndMode(entry: Entry, path: string): { kind: EntryKind; mode: number } {
  const unixMode = unixHosts.has(entry.versionMadeBy >>> 8) ? entry.externalFileAttributes >>> 16 : 0
  const type = unixMode & 0o170000
  const kind = type === 0 ? (path.endsWith('/') ? 'directory' : 'file') : (kindsByType.get(type) ?? 'other')
  if (path.endsWith('/') && (kind === 'file' || kind === 'symlink')) {
    throw damaged('ZIP', `"${displayName(path)}" is named like a folder but is none`)
  }
  if (kind === 'directory' && entry.uncompressedSize > 0) {
    throw damaged('ZIP', `the folder "${displayName(path)}" has contents of its own`)
  }
  return { kind, mode: kind === 'other' ? type : unixMode & 0o777 }
}

function refuseUnreadable(entry: Entry, path: string): void {
  if ((entry.generalPurposeBitFlag & 1) !== 0) {
    throw new Refusal('rejected_tree', `"${displayName(path)}" in the ZIP is encrypted`, {
      hint: 'make the ZIP without a password',
    })
  }
  if (entry.compressionMethod !== stored && entry.compressionMethod !== deflated) {
    throw new Refusal(
      'rejected_tree',
      `"${displayName(path)}" in the ZIP is compressed by an unknown method (${entry.compressionMethod})`,
      { hint: 'make the ZIP with the usual compression (deflate)' },
    )
  }
}

async function* body(archive: Archive, entry: Entry, path: string): AsyncGenerator<Uint8Array> {
  try {
    const start = await claimBytes(archive, entry, path)
    let bytes = 0
    let sum = 0
    for await (const chunk of contents(archive.window, entry, start)) {
      bytes += chunk.length
      if (bytes > entry.uncompressedSize) throw wrongSize(path)
      sum = crc32(chunk, sum)
      yield chunk
    }
    if (bytes !== entry.uncompressedSize) throw wrongSize(path)
    if (sum !== entry.crc32) throw damaged('ZIP', `"${displayName(path)}" has a wrong checksum`)
  } catch (error) {
    throw blameArchive('ZIP', error)
  }
}

/** Reads the entry's second header, in front of its bytes, and returns where they begin. */
async function claimBytes(archive: Archive, entry: Entry, path: string): Promise<number> {
  const at = entry.relativeOffsetOfLocalHeader
  const fixed = await archive.window.read(at, 30)
  if (fixed.readUInt32LE(0) !== 0x04034b50) throw damaged('ZIP', `"${displayName(path)}" has no header`)
  const nameLength = fixed.readUInt16LE(26)
  const name = await archive.window.read(at + 30, nameLength)
  const agrees = name.equals(entry.fileNameRaw) && fixed.readUInt16LE(8) === entry.compressionMethod
  if (!agrees) throw damaged('ZIP', `the two headers of "${displayName(path)}" differ`)
  const start = at + 30 + nameLength + fixed.readUInt16LE(28)
  const end = start + entry.compressedSize
  if (end > archive.directoryStart) throw damaged('ZIP', `"${displayName(path)}" reaches beyond its end`)
  archive.ranges.claim(at, end)
  return start
}

function contents(window: FileWindow, entry: Entry, start: number): AsyncIterable<Uint8Array> {
  const raw = rawBytes(window, start, entry.compressedSize)
  if (entry.compressionMethod === stored) return raw
  const small = entry.compressedSize <= smallCompressed && entry.uncompressedSize <= smallInflated
  if (small) return inflateAtOnce(window, entry, start)
  // The callback form passes errors on to the iteration.
  return pipeline(Readable.from(raw), createInflateRaw(), () => {})
}

async function* inflateAtOnce(window: FileWindow, entry: Entry, start: number): AsyncGenerator<Uint8Array> {
  const compressed = await window.read(start, entry.compressedSize)
  // One byte more than announced is room enough to notice.
  const bytes = inflateRawSync(compressed, { maxOutputLength: entry.uncompressedSize + 1 })
  if (bytes.length > 0) yield bytes
}

async function* rawBytes(window: FileWindow, start: number, length: number): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < length; ) {
    const chunk = await window.read(start + done, Math.min(chunkSize, length - done))
    done += chunk.length
    yield chunk
  }
}

function wrongSize(path: string): Refusal {
  return damaged('ZIP', `"${displayName(path)}" is not as long as it says`)
}
