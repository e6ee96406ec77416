import { access, readdir } from 'node:fs/promises'
import path from 'node:path'
import { type PackageJson, readPackageJson } from '../package-json.ts'
import { readTreeFile } from '../tree-file.ts'
import { isInside, type Lockfile, largestLockfile, sourceReaders } from './lockfile.ts'
import type { ManagerKind } from './run-install.ts'
import { pnpmPatterns, workspaceFolders } from './workspaces.ts'

/**
 * What the lockfiles of pnpm, yarn and bun are needed for. They are hashed and not read: where modules go is
 * known by the workspaces, and which files of the app take part by the words of its package.json files.
 */

type ForeignKind = Exclude<ManagerKind, 'npm'>

const names: Readonly<Record<ForeignKind, readonly string[]>> = {
  pnpm: ['pnpm-lock.yaml'],
  yarn: ['yarn.lock'],
  berry: ['yarn.lock'],
  bun: ['bun.lock', 'bun.lockb'],
}

/** Settings of each that decide what is installed; where they are there, they take part whole. */
const settingsOf: Readonly<Record<ForeignKind, readonly string[]>> = {
  pnpm: ['.npmrc', 'pnpm-workspace.yaml'],
  yarn: ['.npmrc', '.yarnrc'],
  berry: ['.yarnrc.yml'],
  bun: ['.npmrc', 'bunfig.toml'],
}

/** Files that are programs of the app, or settings that put modules elsewhere or read other files. */
const reasons: readonly (readonly [file: string, pattern: RegExp])[] = [
  ['.pnpmfile.cjs', /^/],
  ['.pnpmfile.mjs', /^/],
  [
    '.npmrc',
    /^[ \t]*(modules-dir|virtual-store-dir|lockfile-dir|shared-workspace-lockfile|pnpmfile|cafile)\s*=/m,
  ],
  [
    'pnpm-workspace.yaml',
    /^(modulesDir|virtualStoreDir|lockfileDir|sharedWorkspaceLockfile|nodeLinker:\s*['"]?pnp|pnpmfile)\b/m,
  ],
  ['.yarnrc', /^["']?(--|yarn-offline-mirror|cafile|modules-folder)/m],
  ['.yarnrc.yml', /^(httpsCaFilePath|virtualFolder|constraintsPath)\s*:/m],
  ['bunfig.toml', /^[ \t]*(globalDir|cafile|dir)\s*=/m],
]

/** Null without a lockfile. Refuses a pnpm-workspace.yaml that cannot be read with `install_failed`. */
export async function readForeignLockfile(
  slug: string,
  app: PackageJson,
  kind: ForeignKind,
): Promise<Lockfile | null> {
  const found = await firstOf(slug, names[kind])
  if (found === null) return null
  const links = await workspaceFolders(slug, kind === 'pnpm' ? await pnpmPatterns(slug) : app.workspaces)
  const packages = [{ folder: '', packageJson: app }]
  for (const folder of links) {
    const packageJson = await readPackageJson(slug, folder)
    if (packageJson) packages.push({ folder, packageJson })
  }
  const local = packages.flatMap(({ folder, packageJson }) => localSpecs(folder, packageJson))
  return {
    ...found,
    roots: ['', ...links],
    links,
    archives: local.filter(isArchive).sort(),
    readers: packages.flatMap(({ folder, packageJson }) => readersOf(folder, packageJson)).sort(),
    extra: await extraFiles(slug, kind, packages),
    unkeepable: (await unkeepableFile(slug)) ?? unkeepableSpec(local, links) ?? unkeepableOverride(app),
  }
}

async function firstOf(
  slug: string,
  files: readonly string[],
): Promise<Pick<Lockfile, 'file' | 'bytes'> | null> {
  for (const file of files) {
    const bytes = await readTreeFile(slug, file, largestLockfile)
    if (bytes) return { file, bytes }
  }
  return null
}

const groups = ['dependencies', 'devDependencies', 'optionalDependencies'] as const

/** Places in the app that a package.json names as dependencies, from the top. */
function localSpecs(folder: string, packageJson: PackageJson): string[] {
  const specs = groups.flatMap((group) => Object.values(packageJson[group]))
  return specs.flatMap((spec) => {
    const target = /^(?:file:|link:|portal:)(.*)$/.exec(spec)?.[1] ?? (/^\.{0,2}\//.test(spec) ? spec : null)
    return target === null ? [] : [path.posix.join(folder, target.replace(/[#:].*$/, ''))]
  })
}

function isArchive(place: string): boolean {
  return /\.(tgz|tar\.gz)$/i.test(place)
}

function unkeepableSpec(places: readonly string[], links: readonly string[]): string | null {
  const outside = places.find((place) => !isInside(place))
  if (outside !== undefined) return `a package.json names "${outside}", outside of the app`
  const copied = places.find((place) => !isArchive(place) && !links.includes(place.replace(/\/$/, '')))
  return copied === undefined ? null : `"${copied}" is a folder of the app that is installed`
}

function unkeepableOverride(app: PackageJson): string | null {
  const text = JSON.stringify([app.resolutions, app.overrides, app.pnpm])
  return /"(file|link|portal):/.test(text) ? 'an override names a folder of the app' : null
}

async function unkeepableFile(slug: string): Promise<string | null> {
  for (const [file, pattern] of reasons) {
    const text = await readSettings(slug, file)
    const setting = text === null ? undefined : pattern.exec(text)?.[0].trim()
    if (setting !== undefined)
      return setting ? `${file} sets ${setting.replace(/[=:\s].*$/, '')}` : `it has a ${file}`
  }
  return null
}

function readersOf(folder: string, packageJson: PackageJson): string[] {
  return groups
    .flatMap((group) => Object.keys(packageJson[group]))
    .filter((name) => sourceReaders.has(name))
    .map((name) => path.posix.join(folder, 'node_modules', name))
}

/** Settings, plugins of yarn, and the patches that package.json files and settings speak of. */
async function extraFiles(
  slug: string,
  kind: ForeignKind,
  packages: readonly { readonly packageJson: PackageJson }[],
): Promise<string[]> {
  const settings = await existing(slug, settingsOf[kind])
  const texts = await Promise.all(settings.map(async (file) => (await readSettings(slug, file)) ?? ''))
  texts.push(...packages.map(({ packageJson }) => JSON.stringify(packageJson)))
  const patches = texts.flatMap(patchesIn).map((file) => path.posix.normalize(file.replace(/^~\//, '')))
  const plugins = kind === 'berry' ? await filesIn(slug, '.yarn/plugins') : []
  return [...new Set([...settings, ...(await existing(slug, patches.filter(isInside))), ...plugins])].sort()
}

/** Word by word: a pattern for the whole path would go over a long word again from each of its characters. */
function patchesIn(text: string): string[] {
  return (text.match(/[\w./@+~-]+/g) ?? []).flatMap((word) => {
    const end = word.lastIndexOf('.patch')
    return end > 0 ? [word.slice(0, end + '.patch'.length)] : []
  })
}

/** Bytes; looked at with patterns, as a whole. */
const largestSettings = 1_000_000

async function readSettings(slug: string, file: string): Promise<string | null> {
  return (await readTreeFile(slug, file, largestSettings))?.toString('utf8') ?? null
}

async function existing(slug: string, files: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const file of files) {
    await access(path.join(slug, file)).then(
      () => found.push(file),
      () => {},
    )
  }
  return found
}

async function filesIn(slug: string, folder: string): Promise<string[]> {
  const entries = await readdir(path.join(slug, folder), { recursive: true, withFileTypes: true }).catch(
    () => [],
  )
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(slug, path.join(entry.parentPath, entry.name)))
}
