import { z } from 'zod'

export interface Dependency {
  readonly name: string
  readonly version: string
}

export interface ChangedDependency {
  readonly name: string
  readonly from: string
  readonly to: string
}

export interface DependencyChanges {
  readonly added: readonly Dependency[]
  readonly removed: readonly Dependency[]
  readonly changed: readonly ChangedDependency[]
  /** How many there are in all; the lists are cut. */
  readonly count: number
}

/** The files of a version that say what it depends on, as text. */
export interface DependencyFiles {
  readonly lockfile: string | null
  readonly manifest: string | null
}

type Versions = ReadonlyMap<string, string>

/** Of each list. */
const mostShown = 200
const longest = 100

const text = z.string().max(10_000)
const oldEntry: z.ZodType<OldEntry> = z.lazy(() =>
  z.looseObject({
    version: text.optional(),
    dependencies: z.record(z.string(), oldEntry).optional(),
  }),
)
interface OldEntry {
  readonly version?: string | undefined
  readonly dependencies?: Readonly<Record<string, OldEntry>> | undefined
}
const lock = z.looseObject({
  packages: z
    .record(z.string(), z.looseObject({ version: text.optional(), link: z.boolean().optional() }))
    .optional(),
  dependencies: z.record(z.string(), oldEntry).optional(),
})
const ranges = z.record(z.string(), z.unknown()).optional()
const manifest = z.looseObject({
  dependencies: ranges,
  devDependencies: ranges,
  optionalDependencies: ranges,
})

/**
 * What differs between two sets of installed packages: by the lockfiles where both versions have one, else by
 * what their package.json files ask for. Null where one of them cannot be read.
 */
export function compareDependencies(
  before: DependencyFiles,
  after: DependencyFiles,
): DependencyChanges | null {
  const locked = before.lockfile !== null && after.lockfile !== null
  const [from, to] = locked ? [before.lockfile, after.lockfile] : [before.manifest, after.manifest]
  // nearly every deployment: then nothing is parsed
  if (from === to) return { added: [], removed: [], changed: [], count: 0 }
  const read = locked ? readLock : readManifest
  const old = read(from)
  const now = read(to)
  return old && now && compare(old, now)
}

function compare(old: Versions, now: Versions): DependencyChanges {
  const added = only(now, old)
  const removed = only(old, now)
  const changed = [...now]
    .map(([name, to]) => ({ name, from: old.get(name), to }))
    .filter((one): one is ChangedDependency => one.from !== undefined && one.from !== one.to)
    .sort(byName)
  const count = added.length + removed.length + changed.length
  return {
    added: added.slice(0, mostShown),
    removed: removed.slice(0, mostShown),
    changed: changed.slice(0, mostShown),
    count,
  }
}

function only(these: Versions, others: Versions): Dependency[] {
  return [...these]
    .filter(([name]) => !others.has(name))
    .map(([name, version]) => ({ name, version }))
    .sort(byName)
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1
}

/** npm's lockfile of any format: what is installed, whatever for. A package that is there twice has both versions. */
function readLock(file: string | null): Versions | null {
  const parsed = lock.safeParse(json(file))
  if (!parsed.success) return null
  const found = new Map<string, Set<string>>()
  const note = (name: string, version: string | undefined) => {
    const versions = found.get(name.slice(0, longest)) ?? new Set()
    found.set(name.slice(0, longest), versions.add((version ?? '?').slice(0, longest)))
  }
  const { packages, dependencies } = parsed.data
  if (packages) {
    for (const [place, { version, link }] of Object.entries(packages)) {
      const at = place.lastIndexOf('node_modules/')
      if (at >= 0 && !link) note(place.slice(at + 'node_modules/'.length), version)
    }
  } else noteOld(dependencies ?? {}, note)
  return new Map([...found].map(([name, versions]) => [name, [...versions].sort().join(', ')]))
}

/** Format 1: a tree. */
function noteOld(
  entries: Readonly<Record<string, OldEntry>>,
  note: (name: string, version?: string) => void,
): void {
  for (const [name, { version, dependencies }] of Object.entries(entries)) {
    note(name, version)
    if (dependencies) noteOld(dependencies, note)
  }
}

function readManifest(file: string | null): Versions | null {
  if (file === null) return new Map()
  const parsed = manifest.safeParse(json(file))
  if (!parsed.success) return null
  const { dependencies, devDependencies, optionalDependencies } = parsed.data
  const all = Object.entries({ ...devDependencies, ...optionalDependencies, ...dependencies })
  return new Map(all.map(([name, range]) => [name.slice(0, longest), String(range).slice(0, longest)]))
}

function json(file: string | null): unknown {
  try {
    return JSON.parse((file ?? '').replace(/^\uFEFF/, ''))
  } catch {
    return null
  }
}
