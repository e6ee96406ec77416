import { randomBytes } from 'node:crypto'
import { constants, type Dirent } from 'node:fs'
import {
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  utimes,
  writeFile,
} from 'node:fs/promises'
import path from 'node:path'
import { Refusal } from '../../domain/refusal.ts'
import { createExclusive } from '../toolchain/exclusive.ts'
import type { Manifest, ManifestDirectory } from './manifest.ts'
import type { PlaceMode } from './place.ts'
import { listTree, placeTree } from './trees.ts'

/** Where installed trees are kept, once by fingerprint: `<directory>/<hash>/{manifest.json,tree/}`. */
export interface ModuleStore {
  readonly directory: string
  /**
   * The kept tree of this hash. Where there is none, or with `replace`, `install` fills an empty folder first.
   * At most one install a hash at a time: whoever comes second waits and gets the result of the first.
   */
  obtain(hash: string, options: ObtainOptions): Promise<Kept>
  /** The kept tree of this hash, or null. Waits for one that is being installed. */
  find(hash: string, signal: AbortSignal): Promise<Kept | null>
  /** Puts the tree into a release in place of its `node_modules`. Throws `DamagedTree`; see `placeTree`. */
  place(kept: Kept, slug: string, mode: PlaceMode, signal: AbortSignal): Promise<void>
  /** Throws a damaged tree away, unless a new one has taken its place already. */
  discard(kept: Kept, signal: AbortSignal): Promise<void>
  /** Whether copies share their blocks here until written (btrfs, XFS, bcachefs, APFS). Found out once. */
  reflinks(): Promise<boolean>
  /** Removes trees that were not used for `maxAgeMs`, but never the `keep` used last. Returns how many. */
  prune(options: { readonly maxAgeMs: number; readonly keep: number }): Promise<number>
  /** Removes what a killed server left half-made. For the start of the server, before any deployment. */
  cleanLeftovers(): Promise<number>
}

export interface ObtainOptions {
  readonly replace: boolean
  readonly signal: AbortSignal
  /** Fills `directory` (empty, on the same disk); returns what the tree consists of. */
  install(directory: string): Promise<Installed>
}

export interface Installed {
  /** `node_modules`, `packages/x/node_modules`; those that do not exist are left out. */
  readonly roots: readonly string[]
}

export interface Kept {
  readonly hash: string
  readonly manifest: Manifest
  /** True when npm ran for it just now. */
  readonly fresh: boolean
}

export interface StoreOptions {
  readonly directory: string
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** User id that owns kept files, see `Confinement`. */
  readonly keptOwner: number | null
}

const unfinished = '.new-'
const discarded = '.old-'
const hashPattern = /^[0-9a-f]{64}$/

export function createModuleStore({ directory, now, keptOwner }: StoreOptions): ModuleStore {
  const exclusive = createExclusive()
  let canReflink: Promise<boolean> | undefined
  const at = (hash: string) => path.join(directory, hash)
  const temporary = (prefix: string) => path.join(directory, prefix + randomBytes(8).toString('hex'))

  async function obtain(hash: string, { replace, signal, install }: ObtainOptions): Promise<Kept> {
    return exclusive(hash, signal, async () => {
      const kept = replace ? null : await take(hash)
      if (kept !== null) return kept
      const made = temporary(unfinished)
      try {
        const fresh = await make(made, install, signal)
        await remove(at(hash))
        await rename(made, at(hash))
        return { hash, manifest: fresh, fresh: true }
      } finally {
        await rm(made, { recursive: true, force: true })
      }
    })
  }

  const find = (hash: string, signal: AbortSignal) => exclusive(hash, signal, () => take(hash))

  async function take(hash: string): Promise<Kept | null> {
    const manifest = await readManifest(at(hash))
    if (manifest === null) return null
    await touch(at(hash), now())
    return { hash, manifest, fresh: false }
  }

  async function make(
    made: string,
    install: ObtainOptions['install'],
    signal: AbortSignal,
  ): Promise<Manifest> {
    const tree = path.join(made, 'tree')
    await mkdir(tree, { recursive: true, mode: 0o700 })
    const installed = await install(tree)
    const roots = await existing(tree, installed.roots)
    const directories = await listTree(tree, roots, keptOwner, signal)
    const packages = (await countLocked(tree)) ?? countFolders(directories)
    const files = directories.flatMap((folder) => folder.files)
    const bytes = files.reduce((sum, file) => sum + file[1], 0)
    const id = randomBytes(8).toString('hex')
    const manifest: Manifest = { format: 1, id, packages, files: files.length, bytes, roots, directories }
    await writeFile(path.join(made, 'manifest.json'), JSON.stringify(manifest))
    return manifest
  }

  /** Out of sight at once, so that nobody finds half of it; then really. */
  async function remove(folder: string): Promise<void> {
    const old = temporary(discarded)
    await rename(folder, old).catch(ignoreMissing)
    await rm(old, { recursive: true, force: true })
  }

  async function discard({ hash, manifest }: Kept, signal: AbortSignal): Promise<void> {
    await exclusive(hash, signal, async () => {
      const current = await readManifest(at(hash))
      if (current?.id === manifest.id) await remove(at(hash))
    })
  }

  async function prune({ maxAgeMs, keep }: { maxAgeMs: number; keep: number }): Promise<number> {
    const used = await Promise.all(
      (await list(directory))
        .filter(({ name }) => hashPattern.test(name))
        .map(async ({ name }) => {
          const found = await lstat(path.join(at(name), 'manifest.json')).catch(() => null)
          return { name, at: found?.mtimeMs ?? 0 }
        }),
    )
    const old = used
      .sort((a, b) => b.at - a.at)
      .slice(keep)
      .filter((tree) => tree.at < now() - maxAgeMs)
    for (const { name } of old) await exclusive(name, new AbortController().signal, () => remove(at(name)))
    return old.length
  }

  async function cleanLeftovers(): Promise<number> {
    const left = (await list(directory)).filter(
      ({ name }) => name.startsWith(unfinished) || name.startsWith(discarded),
    )
    for (const { name } of left) await rm(path.join(directory, name), { recursive: true, force: true })
    return left.length
  }

  async function place(
    { hash, manifest }: Kept,
    slug: string,
    mode: PlaceMode,
    signal: AbortSignal,
  ): Promise<void> {
    await clearRoots(slug, manifest.roots)
    await placeTree(manifest, path.join(at(hash), 'tree'), slug, mode, signal)
  }

  const reflinks = () => {
    canReflink ??= probeReflinks(directory)
    return canReflink
  }
  return { directory, obtain, find, place, discard, reflinks, prune, cleanLeftovers }
}

/** Removes the `node_modules` of an app (also committed ones, as `npm ci` does). Refuses as `checkRoots`. */
export async function clearRoots(slug: string, roots: readonly string[]): Promise<void> {
  const all = ['node_modules', ...roots]
  await checkRoots(slug, all)
  for (const root of all) await rm(path.join(slug, root), { recursive: true, force: true })
}

/** Refuses with `rejected_tree` when a folder on the way to a root is a symlink that leads out of the app. */
export async function checkRoots(slug: string, roots: readonly string[]): Promise<void> {
  const real = await realpath(slug)
  for (const root of roots) {
    const parent = await realpath(path.dirname(path.join(slug, root))).catch(() => real)
    if (parent === real || parent.startsWith(real + path.sep)) continue
    throw new Refusal('rejected_tree', `${path.dirname(root)} leads out of the app`)
  }
}

/** Null when there is none, or none that was finished. */
async function readManifest(folder: string): Promise<Manifest | null> {
  try {
    const manifest = JSON.parse(await readFile(path.join(folder, 'manifest.json'), 'utf8')) as Manifest
    return manifest.format === 1 ? manifest : null
  } catch {
    return null
  }
}

/** The time of the manifest is the time of last use. */
async function touch(folder: string, now: number): Promise<void> {
  await utimes(path.join(folder, 'manifest.json'), now / 1000, now / 1000)
}

async function existing(tree: string, roots: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const root of roots) {
    const entry = await lstat(path.join(tree, root)).catch(() => null)
    if (entry?.isDirectory()) found.push(root)
  }
  return found
}

/** npm notes what it really installed for this platform. Null: another manager's tree. */
async function countLocked(tree: string): Promise<number | null> {
  try {
    const text = await readFile(path.join(tree, 'node_modules/.package-lock.json'), 'utf8')
    const { packages } = JSON.parse(text) as { packages: Record<string, unknown> }
    return Object.keys(packages).filter((location) => location.includes('node_modules/')).length
  } catch {
    return null
  }
}

/** Where packages lie; those that are links to others do not count twice. */
function countFolders(directories: readonly ManifestDirectory[]): number {
  const place = /(^|\/)node_modules\/(@[^/]+\/[^/]+|[^@./][^/]*)$/
  return directories.filter((directory) => place.test(directory.path)).length
}

async function probeReflinks(directory: string): Promise<boolean> {
  await mkdir(directory, { recursive: true })
  const probe = path.join(directory, `${unfinished}reflink-${randomBytes(4).toString('hex')}`)
  try {
    await writeFile(probe, 'x'.repeat(8192))
    await copyFile(probe, `${probe}-2`, constants.COPYFILE_FICLONE_FORCE)
    return true
  } catch {
    return false
  } finally {
    await rm(probe, { force: true })
    await rm(`${probe}-2`, { force: true })
  }
}

async function list(directory: string): Promise<Dirent[]> {
  return readdir(directory, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
