import { chmodSync, mkdirSync } from 'node:fs'
import { chmod, mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { EntryKind, Source, SourceEntry } from '../ports.ts'
import { createFileWriter, type FileWriter } from './unpack-file.ts'
import { judge, refuseOther } from './unpack-filter.ts'
import { Budget, type UnpackLimits } from './unpack-limits.ts'
import { checkLinks, type Link, linkTarget, makeLinks } from './unpack-links.ts'
import { badName, isGitModules, splitPath } from './unpack-path.ts'
import { TreeNames } from './unpack-tree.ts'

export type { UnpackLimits } from './unpack-limits.ts'

export interface UnpackOptions {
  /** Where everything lies in one folder, that folder becomes the top. For uploads. */
  readonly unwrapSingleFolder?: boolean
}

export interface Unpacked {
  readonly files: number
  readonly bytes: number
  /** Paths that were left out on purpose (`node_modules`, `.git`), for people. */
  readonly dropped: readonly string[]
}

const directoryMode = 0o755
const maxTargetBytes = 1_024
const maxNotes = 20

/**
 * The only writer of files that strangers sent. Makes `destination`, which must not exist, and writes into it
 * regular files (0644 or 0755), directories (0755) and relative symbolic links that stay inside; everything
 * else is refused by name. Links are made last, so that nothing is ever written through one.
 *
 * Refuses with `rejected_tree` or `too_large`; errors of the file system (a full disk) come through as they
 * are. Whatever it throws, `destination` is gone.
 */
export async function unpack(
  source: Source,
  destination: string,
  limits: UnpackLimits,
  signal: AbortSignal,
  options: UnpackOptions = {},
): Promise<Unpacked> {
  const unwrap = options.unwrapSingleFolder ?? false
  try {
    return await attempt(source, destination, limits, signal, unwrap)
  } catch (error) {
    if (!(error instanceof NotOneFolder)) throw error
    return await attempt(source, destination, limits, signal, false)
  }
}

/**
 * `shop/node_modules` was left out because everything seemed to lie in `shop`; then something came beside it.
 * Sources can be read again, so the answer is a second attempt that knows.
 */
class NotOneFolder extends Error {}

interface Progress {
  readonly directory: string
  readonly source: Source
  readonly limits: UnpackLimits
  readonly signal: AbortSignal
  readonly unwrap: boolean
  readonly setModes: boolean
  readonly writer: FileWriter
  readonly names: TreeNames
  readonly links: Map<string, Link>
  readonly dropped: Set<string>
  readonly budget: Budget
  /** The folder that something was left out of because it seemed to be the only one at the top. */
  assumedFolder: string | null
  files: number
}

async function attempt(
  source: Source,
  directory: string,
  limits: UnpackLimits,
  signal: AbortSignal,
  unwrap: boolean,
): Promise<Unpacked> {
  signal.throwIfAborted()
  await mkdir(directory, { mode: directoryMode })
  try {
    const progress = await begin(source, directory, limits, signal, unwrap)
    for await (const entry of source.entries(signal)) {
      signal.throwIfAborted()
      await receive(progress, entry)
    }
    return await finish(progress)
  } catch (error) {
    // The first error is the one that tells why.
    await rm(directory, { recursive: true, force: true }).catch(() => {})
    throw error
  }
}

async function begin(
  source: Source,
  directory: string,
  limits: UnpackLimits,
  signal: AbortSignal,
  unwrap: boolean,
): Promise<Progress> {
  // A umask that leaves 0755 whole leaves 0644 whole too, and spares a call for every file.
  const setModes = ((await stat(directory)).mode & 0o777) !== directoryMode
  if (setModes) await chmod(directory, directoryMode)
  const found = { names: new TreeNames(), links: new Map<string, Link>(), dropped: new Set<string>() }
  const tools = { writer: createFileWriter(setModes), budget: new Budget(limits) }
  const facts = { directory, source, limits, signal, unwrap, setModes }
  return { ...facts, ...tools, ...found, assumedFolder: null, files: 0 }
}

async function receive(progress: Progress, entry: SourceEntry): Promise<void> {
  const { path, kind } = entry
  const parts = splitPath(path, kind)
  if (parts.length === 0) return
  const oneFolder = mayBeOneFolder(progress, parts, kind)
  const verdict = judge(parts, kind, progress.source.kind, oneFolder ? 1 : 0)
  if (!verdict.keep) return drop(progress, entry, verdict.note)
  if (progress.assumedFolder !== null && !oneFolder) throw new NotOneFolder()
  const { maxDepth } = progress.limits
  if (parts.length > maxDepth) throw badName(path, `is more than ${maxDepth} folders deep`)
  progress.budget.takeEntries(1)
  if (kind === 'other') throw refuseOther(entry)
  const fresh = progress.names.claim(parts, kind)
  // A new directory is itself the last of them, and counted already.
  progress.budget.takeEntries(kind === 'directory' ? Math.max(0, fresh.length - 1) : fresh.length)
  makeDirectories(progress, fresh)
  if (kind === 'symlink') await receiveLink(progress, entry, parts)
  if (kind === 'file') await receiveFile(progress, entry, parts)
}

/** Whether everything up to and with this entry lies in one folder at the top. */
function mayBeOneFolder(progress: Progress, parts: readonly string[], kind: EntryKind): boolean {
  const top = parts[0] ?? ''
  if (!progress.unwrap || (parts.length === 1 && kind !== 'directory')) return false
  if (progress.assumedFolder !== null && progress.assumedFolder !== top) return false
  const { names } = progress
  return names.top.size === 0 || (names.top.size === 1 && names.top.has(top))
}

function drop(progress: Progress, entry: SourceEntry, note: string | null): void {
  progress.budget.drop(entry.size)
  if (note === null) return
  if (note.endsWith('/node_modules')) progress.assumedFolder = note.slice(0, note.indexOf('/'))
  if (progress.dropped.size < maxNotes) progress.dropped.add(note)
}

/** Parents come first and never through a link: links do not exist yet. */
function makeDirectories(progress: Progress, paths: readonly string[]): void {
  for (const path of paths) {
    const full = join(progress.directory, path)
    mkdirSync(full, { mode: directoryMode })
    if (progress.setModes) chmodSync(full, directoryMode)
  }
}

async function receiveFile(progress: Progress, entry: SourceEntry, parts: readonly string[]): Promise<void> {
  const path = join(progress.directory, ...parts)
  const mode = (entry.mode & 0o100) === 0 ? 0o644 : 0o755
  progress.budget.expectBytes(entry.size)
  const length = await progress.writer.write(path, mode, counted(progress, entry))
  if (entry.size !== null && length !== entry.size) throw badName(entry.path, 'is not as long as announced')
  progress.files += 1
}

async function receiveLink(progress: Progress, entry: SourceEntry, parts: readonly string[]): Promise<void> {
  const path = parts.join('/')
  if (isGitModules(parts.at(-1) ?? '')) throw badName(path, 'is a symbolic link, which git does not allow')
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of counted(progress, entry)) {
    length += chunk.length
    if (length > maxTargetBytes) throw badName(path, 'is a symbolic link with a very long target')
    chunks.push(chunk)
  }
  progress.links.set(path, { parts, target: linkTarget(path, Buffer.concat(chunks)) })
}

/** Sizes that were announced are not believed: every byte counts as it comes. */
async function* counted(progress: Progress, entry: SourceEntry): AsyncGenerator<Uint8Array> {
  for await (const chunk of entry.body()) {
    progress.signal.throwIfAborted()
    progress.budget.takeBytes(chunk.length)
    yield chunk
  }
}

async function finish(progress: Progress): Promise<Unpacked> {
  const folder = wrappingFolder(progress)
  if (progress.assumedFolder !== null && progress.assumedFolder !== folder) throw new NotOneFolder()
  checkLinks(progress.links, folder === null ? 0 : 1)
  const root = folder === null ? progress.directory : join(progress.directory, folder)
  await makeLinks(progress.directory, progress.links, root)
  if (folder !== null) await unwrapFolder(progress.directory, folder)
  const dropped = [...progress.dropped].map((path) =>
    folder !== null && path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : path,
  )
  return { files: progress.files, bytes: progress.budget.bytes, dropped }
}

function wrappingFolder(progress: Progress): string | null {
  const [only, ...more] = progress.names.top
  if (!progress.unwrap || only === undefined || more.length > 0) return null
  return progress.names.isDirectory(only) ? only : null
}

/** By way of a name that no entry can have: `shop/shop` may exist. */
async function unwrapFolder(directory: string, folder: string): Promise<void> {
  const aside = join(directory, '\u0001unwrap')
  await rename(join(directory, folder), aside)
  for (const name of await readdir(aside)) await rename(join(aside, name), join(directory, name))
  await rmdir(aside)
}
