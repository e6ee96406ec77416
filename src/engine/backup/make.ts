import { randomInt } from 'node:crypto'
import { mkdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Failpoints } from '../failpoints.ts'
import type { Paths } from '../paths.ts'
import { checkDatabaseFile, copyDatabase, readCopy, type SavedProject } from './database-copy.ts'
import type { Manifest } from './manifest.ts'
import { type Backup, createShelf } from './shelf.ts'
import { unpackBackup } from './unpack.ts'
import { type Item, oneFile, walk } from './walk.ts'
import { writeArchive } from './write.ts'

/** How a repository becomes one file and comes back. git itself makes both, so that a push meanwhile does no harm. */
export interface BundledRepositories {
  /** False where there is nothing in it. */
  bundle(name: string, file: string, signal: AbortSignal): Promise<boolean>
  /** Makes a bare repository of it; rejects where anything is missing. `branch`: what a clone checks out. */
  unbundle(file: string, directory: string, signal: AbortSignal, branch?: string): Promise<void>
}

export interface BackupDeps {
  readonly paths: Paths
  readonly repositories: BundledRepositories
  readonly clock: () => number
  readonly failpoint: Failpoints
}

export interface BackupOptions {
  /** With the secrets of the home. */
  readonly keys: boolean
  /** With whole slugs. */
  readonly slugs: boolean
}

const modules: ReadonlySet<string> = new Set(['node_modules'])

/**
 * Everything that cannot be made again: the database, what the operator set, repositories, data of projects,
 * and the files of current releases that came as an upload. Proved by a restore into scratch; a crash leaves
 * only a temporary folder.
 */
export async function makeBackup(
  deps: BackupDeps,
  options: BackupOptions,
  signal: AbortSignal,
): Promise<Backup> {
  const { paths, clock, failpoint } = deps
  const createdAt = new Date(clock()).toISOString()
  const id = `${createdAt.replace(/[-:]/g, '').replace('T', '-').slice(0, 15)}-${suffix()}`
  const shelf = createShelf(paths.backups)
  const staging = shelf.making(id)
  const archive = path.join(staging, 'archive.tar.gz')
  await mkdir(staging, { recursive: true, mode: 0o700 })
  try {
    // first: whatever comes to files and repositories afterwards, no row of it names what is not there
    const snapshot = path.join(staging, 'nodepilot.db')
    await copyDatabase(paths.database, snapshot)
    await checkDatabaseFile(snapshot)
    const projects = readCopy(snapshot, clock)
    const head = { id, createdAt, ...options, projects: projects.map(({ name }) => name) }
    const items = contents(deps, options, projects, { staging, snapshot }, signal)
    const manifest = await writeArchive(archive, head, items, signal)
    await failpoint('backup.written')
    await prove(deps, archive, path.join(staging, 'proof'), signal)
    const { size: bytes } = await stat(archive)
    const backup = describe(manifest, bytes, new Date(clock()).toISOString())
    await shelf.put(backup, archive)
    await failpoint('backup.shelved')
    return backup
  } catch (error) {
    // streams say no more than that they were aborted
    throw signal.aborted ? signal.reason : error
  } finally {
    await rm(staging, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function* contents(
  { paths, repositories }: BackupDeps,
  { keys, slugs }: BackupOptions,
  projects: readonly SavedProject[],
  { staging, snapshot }: { readonly staging: string; readonly snapshot: string },
  signal: AbortSignal,
): AsyncGenerator<Item> {
  yield* oneFile(snapshot, 'nodepilot.db')
  for await (const item of oneFile(paths.settings, 'nodepilot.json')) if (item.kind === 'file') yield item
  if (keys) yield* walkFiles(paths.keys, 'keys')
  for (const { name, release } of projects) {
    const bundle = path.join(staging, `${name}.bundle`)
    if (await repositories.bundle(name, bundle, signal)) yield* oneFile(bundle, `repositories/${name}.bundle`)
    await rm(bundle, { force: true })
    yield* walk(paths.data(name), `projects/${name}/data`)
    if (!release || (release.source.kind === 'git' && !slugs)) continue
    const slug = paths.release(name, release.slug)
    yield* walk(slug, `projects/${name}/releases/${release.slug}`, slugs ? {} : { without: modules })
  }
}

async function* walkFiles(folder: string, name: string): AsyncGenerator<Item> {
  for await (const item of walk(folder, name)) if (item.kind === 'file') yield item
}

/** A restore that nobody needs: every byte is unpacked and compared, the database opened, the repositories made. */
async function prove(deps: BackupDeps, archive: string, scratch: string, signal: AbortSignal): Promise<void> {
  await mkdir(scratch, { mode: 0o700 })
  const { files } = await unpackBackup(archive, scratch, signal)
  await checkDatabaseFile(path.join(scratch, 'nodepilot.db'))
  for (const { path: name } of files.filter(
    ({ path: one }) => one.endsWith('.bundle') && /^repositories\//.test(one),
  )) {
    signal.throwIfAborted()
    const file = path.join(scratch, name)
    await deps.repositories.unbundle(file, file.replace(/\.bundle$/, '.git'), signal)
  }
  await rm(scratch, { recursive: true, force: true })
}

function describe(manifest: Manifest, bytes: number, verifiedAt: string): Backup {
  const { id, createdAt, keys, slugs, projects, files, changed } = manifest
  const counts = { files: files.length, changed: changed.length }
  return { id, bytes, createdAt, verifiedAt, keys, slugs, projects, ...counts }
}

function suffix(): string {
  return randomInt(36 ** 4)
    .toString(36)
    .padStart(4, '0')
}
