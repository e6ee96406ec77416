import path from 'node:path'
import { z } from 'zod'
import { Refusal } from '../../domain/refusal.ts'
import { readTreeFile } from '../tree-file.ts'

/** What is known from a lockfile about the shape of the tree that will be installed. */
export interface Lockfile {
  /** `package-lock.json` */
  readonly file: string
  readonly bytes: Buffer
  /** Folders that get a `node_modules`: '' for the root, `packages/x`. Parents come first. */
  readonly roots: readonly string[]
  /** Folders of the app that are linked into the tree: workspaces and `file:` packages. Sorted. */
  readonly links: readonly string[]
  /** Archives of the app that npm unpacks (`file:vendor/x.tgz`). */
  readonly archives: readonly string[]
  /** Installed packages whose install scripts read the app's source. */
  readonly readers: readonly string[]
  /** More files of the app that decide what is installed: settings, patches. Of npm, `.npmrc` is known by name. */
  readonly extra: readonly string[]
  /** Why the tree can only be installed in its place, and not be kept; null for nearly all. */
  readonly unkeepable: string | null
}

/**
 * Dependencies whose own install script looks into the app that installs them (INIT_CWD), so that it must
 * run for every release: Prisma's client generates code from the app's schema.
 */
export const sourceReaders: ReadonlySet<string> = new Set(['@prisma/client', 'msw'])

const entry = z.looseObject({
  link: z.boolean().optional(),
  resolved: z.union([z.string(), z.boolean()]).optional(),
  hasInstallScript: z.boolean().optional(),
})
const schema = z.looseObject({
  lockfileVersion: z.number().optional(),
  packages: z.record(z.string(), entry).optional(),
})
type Entries = Record<string, z.infer<typeof entry>>

/** Bytes. */
export const largestLockfile = 50_000_000

/** Null without a lockfile. npm-shrinkwrap.json wins, as with npm. Refuses a broken one with `install_failed`. */
export async function readLockfile(slug: string): Promise<Lockfile | null> {
  for (const file of ['npm-shrinkwrap.json', 'package-lock.json'] as const) {
    const bytes = await readTreeFile(slug, file, largestLockfile)
    if (bytes) return parseLockfile(file, bytes)
  }
  return null
}

export function parseLockfile(file: Lockfile['file'], bytes: Buffer): Lockfile {
  const packages = parse(file, bytes).packages
  if (!packages) return { file, bytes, ...nothing, unkeepable: firstFormat(bytes) }
  const links = new Set<string>()
  const archives = new Set<string>()
  let unkeepable: string | null = null
  for (const [location, { link, resolved }] of Object.entries(packages)) {
    const local = localTarget(link, resolved)
    if (!isInside(location)) unkeepable = `${file} names "${location}", outside of the app`
    else if (local === null) continue
    else if (!isInside(local)) unkeepable = `${file} links "${local}", outside of the app`
    else if (link) links.add(path.posix.normalize(local))
    else if (/\.(tgz|tar|tar\.gz)$/i.test(local)) archives.add(path.posix.normalize(local))
    else unkeepable = `"${local}" is installed as a copy of a folder of the app`
  }
  const readers = findReaders(packages)
  return {
    file,
    bytes,
    roots: findRoots(packages),
    links: [...links].sort(),
    archives: [...archives].sort(),
    readers,
    extra: [],
    unkeepable,
  }
}

const nothing = { roots: [''], links: [], archives: [], readers: [], extra: [] }

function parse(file: string, bytes: Buffer): z.infer<typeof schema> {
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8').replace(/^\uFEFF/, ''))
  } catch (error) {
    throw broken(file, error)
  }
  const parsed = schema.safeParse(json)
  if (!parsed.success) throw broken(file, parsed.error)
  return parsed.data
}

/** Format 1 (npm 5 and 6) has no list of places; local packages in it are too rare to be worth the code. */
function firstFormat(bytes: Buffer): string | null {
  return /"version":\s*"file:/.test(bytes.toString('utf8')) ? 'its lockfile has the format of npm 6' : null
}

function localTarget(link: boolean | undefined, resolved: string | boolean | undefined): string | null {
  if (typeof resolved !== 'string') return null
  if (resolved.startsWith('file:')) return resolved.slice('file:'.length)
  return link ? resolved : null
}

function findRoots(packages: Entries): string[] {
  const roots = new Set([''])
  for (const location of Object.keys(packages)) {
    const at = `/${location}`.indexOf('/node_modules/')
    if (at > 0) roots.add(location.slice(0, at - 1))
  }
  return [...roots].sort()
}

function findReaders(packages: Entries): string[] {
  return Object.entries(packages)
    .filter(
      ([location, { hasInstallScript }]) => hasInstallScript && sourceReaders.has(packageName(location)),
    )
    .map(([location]) => location)
    .sort()
}

function packageName(location: string): string {
  return location.slice(location.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

/** Relative, below, and spelled the plain way. */
export function isInside(location: string): boolean {
  if (path.posix.isAbsolute(location) || /[\\\0]/.test(location)) return false
  return !path.posix.normalize(location).split('/').includes('..')
}

function broken(file: string, cause: unknown): Refusal {
  return new Refusal('install_failed', `${file} is broken`, {
    hint: `run "npm install" and commit ${file}`,
    cause,
  })
}
