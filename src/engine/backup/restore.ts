import { access, mkdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { awake } from '../domain/project.ts'
import type { Paths } from '../paths.ts'
import { openDatabase } from '../store/database.ts'
import { readKeyRing } from '../store/key-ring.ts'
import type { ProjectRow } from '../store/projects.ts'
import { createStore, type Store } from '../store/store.ts'
import { createVault } from '../store/vault.ts'
import type { BundledRepositories } from './make.ts'
import type { Manifest } from './manifest.ts'
import { rebuildKey } from './rebuild-key.ts'
import { unpackBackup } from './unpack.ts'

export interface Restored {
  readonly manifest: Manifest
  /** Projects with config vars that the keys of this home do not open, and their names. */
  readonly locked: readonly { readonly project: string; readonly names: readonly string[] }[]
}

/**
 * A home out of a backup. It must be empty but for what this makes: the database comes last, so a restore that
 * was cut off is no home yet. What was not saved is marked as gone, and what has to run is marked to be built
 * again by the next `serve`.
 */
export async function restoreHome(
  file: string,
  deps: { readonly paths: Paths; readonly repositories: BundledRepositories; readonly clock: () => number },
  signal: AbortSignal,
): Promise<Restored> {
  const { paths, repositories } = deps
  const scratch = path.join(paths.home, '.restoring')
  await mkdir(paths.home, { recursive: true, mode: 0o700 })
  await rm(scratch, { recursive: true, force: true })
  await mkdir(scratch, { mode: 0o700 })
  const manifest = await unpackBackup(file, scratch, signal)
  for (const name of ['projects', 'keys', 'nodepilot.json']) {
    await rename(path.join(scratch, name), path.join(paths.home, name)).catch(absent)
  }
  const database = path.join(scratch, 'nodepilot.db')
  const projects = await settleRows(database, deps, manifest)
  for (const { name, deployBranch } of projects) {
    const bundle = path.join(scratch, 'repositories', `${name}.bundle`)
    const repository = path.join(paths.repositories, `${name}.git`)
    if (await exists(bundle))
      await repositories.unbundle(bundle, repository, signal, deployBranch ?? undefined)
  }
  await rename(database, paths.database)
  await rm(scratch, { recursive: true, force: true })
  const locked = projects.flatMap(({ name: project, lockedVars: names }) =>
    names.length === 0 ? [] : [{ project, names }],
  )
  return { manifest, locked }
}

/** The rows say what was true on another machine at another time. */
async function settleRows(
  database: string,
  { paths, clock }: { readonly paths: Paths; readonly clock: () => number },
  { slugs }: Manifest,
): Promise<readonly ProjectRow[]> {
  const db = openDatabase(database)
  try {
    const store = createStore(db, clock, createVault(readKeyRing(paths.keys)))
    const projects = store.projects.list()
    for (const project of projects) await settleProject(store, project, paths, slugs)
    // nobody could use one meanwhile: an old backup would lose them all at the first look for idle ones
    for (const { id } of store.projects.allPreviews()) store.projects.touchPreview(id)
    return projects
  } finally {
    // or what was written would stay behind in the log beside it
    db.pragma('journal_mode = DELETE')
    db.close()
  }
}

async function settleProject(store: Store, project: ProjectRow, paths: Paths, whole: boolean): Promise<void> {
  const { id, name } = project
  await mkdir(paths.releases(name), { recursive: true, mode: 0o700 })
  await mkdir(paths.data(name), { recursive: true, mode: 0o700 })
  const releases = store.releases.list(id)
  const current = releases.find(({ number }) => number === project.currentRelease)
  for (const slug of new Set(releases.map((release) => release.slug))) {
    if (!(await exists(paths.release(name, slug)))) store.releases.markPruned(id, slug)
  }
  const runnable = whole && current !== undefined && (await exists(paths.release(name, current.slug)))
  for (const row of store.instances.ofProject(id)) {
    if (!runnable || row.state !== 'serving') store.instances.remove(id, row, [row.position])
  }
  // nothing could be woken before it is built again
  if (!runnable) store.projects.update(id, awake)
  if (current && !runnable) store.settings.set(rebuildKey(name), project.status)
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

function absent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
