import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type PackageJson, readPackageJson } from '../package-json.ts'
import { readTreeFile } from '../tree-file.ts'
import type { Lockfile } from './lockfile.ts'
import type { ManagerKind } from './run-install.ts'
import type { PackageManager, Toolchain } from './toolchain.ts'
import { workspaceFolders } from './workspaces.ts'

/**
 * The few files of an app that decide what npm installs, reduced to that. npm sees exactly what is hashed, so
 * nothing else of the app (its source, its scripts, its version) can leak into a tree that others will share.
 */
export interface Staging {
  readonly files: readonly { readonly path: string; readonly content: string | Buffer }[]
  /** Names of variables that .npmrc asks for (`${NPM_TOKEN}`). */
  readonly variables: readonly string[]
  /** Why the tree cannot be kept; null when it can. */
  readonly unkeepable: string | null
}

const rootFields = [
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
  'overrides',
  'workspaces',
  'bundleDependencies',
  'bundledDependencies',
  'allowScripts',
  'engines',
  'devEngines',
  'os',
  'cpu',
  'libc',
]
/** A linked package is also matched by name and version, and its commands are linked. */
const linkedFields = [...rootFields, 'name', 'version', 'bin', 'directories']

/** Settings that make npm look elsewhere than at these files, or build another kind of tree. */
const unkeepableSettings =
  /^[ \t]*(install-links|cafile|prefix|global|location|workspaces?|globalconfig|userconfig)\s*=/m

/** Bytes. */
const largestNpmrc = 1_000_000

export async function planStaging(
  slug: string,
  app: PackageJson,
  lockfile: Lockfile,
  kind: ManagerKind = 'npm',
): Promise<Staging> {
  if (kind !== 'npm') return planForeign(slug, lockfile, kind)
  const npmrc = (await readTreeFile(slug, '.npmrc', largestNpmrc))?.toString('utf8') ?? null
  const files: { path: string; content: string | Buffer }[] = [
    { path: 'package.json', content: reduce(app, rootFields) },
    { path: lockfile.file, content: lockfile.bytes },
  ]
  if (npmrc !== null) files.push({ path: '.npmrc', content: npmrc })
  let unkeepable = lockfile.unkeepable ?? unkeepableSetting(npmrc)
  if (unkeepable === null) {
    unkeepable = await addLinked(slug, app, lockfile, files)
  }
  return { files, variables: variablesOf(npmrc), unkeepable }
}

/** What other managers read besides; yarn's and bun's lockfiles know the app by its name. */
const foreignFields: Readonly<Record<Exclude<ManagerKind, 'npm'>, readonly string[]>> = {
  pnpm: ['pnpm', 'dependenciesMeta', 'resolutions'],
  yarn: ['private', 'resolutions', 'flat'],
  berry: ['name', 'private', 'bin', 'resolutions', 'dependenciesMeta', 'installConfig'],
  bun: ['name', 'catalog', 'catalogs', 'trustedDependencies', 'patchedDependencies', 'resolutions'],
}

/** As they stand in the files: what npm would pass over may mean something to others (catalogs, nohoist). */
async function planForeign(
  slug: string,
  lockfile: Lockfile,
  kind: Exclude<ManagerKind, 'npm'>,
): Promise<Staging> {
  const files: { path: string; content: string | Buffer }[] = []
  for (const folder of ['', ...lockfile.links]) {
    const name = path.posix.join(folder, 'package.json')
    const text = (await readFile(path.join(slug, name), 'utf8')).replace(/^\uFEFF/, '')
    const raw = JSON.parse(text) as Record<string, unknown>
    const fields = [...(folder === '' ? rootFields : linkedFields), ...foreignFields[kind]]
    files.push({ path: name, content: reduce(raw, fields) })
    if (folder === '') continue
    for (const command of commandsOf(folder, raw)) files.push({ path: command, content: '' })
  }
  files.push({ path: lockfile.file, content: lockfile.bytes })
  let { unkeepable } = lockfile
  for (const name of [...lockfile.archives, ...lockfile.extra]) {
    const content = await readFile(path.join(slug, name)).catch(() => null)
    if (content === null) unkeepable ??= `a package.json names "${name}", which is not there`
    else files.push({ path: name, content })
  }
  const settings = files.filter(({ path: name }) => lockfile.extra.includes(name))
  const variables = settings.flatMap(({ content }) => variablesOf(content.toString()))
  return { files, variables: [...new Set(variables)].sort(), unkeepable }
}

async function addLinked(
  slug: string,
  app: PackageJson,
  lockfile: Lockfile,
  files: { path: string; content: string | Buffer }[],
): Promise<string | null> {
  // A workspace that the lockfile does not know yet goes along, so that npm itself can say so.
  const folders = new Set([...lockfile.links, ...(await workspaceFolders(slug, app.workspaces))])
  for (const folder of [...folders].sort()) {
    const linked = await readPackageJson(slug, folder)
    if (linked === null) return `the lockfile links "${folder}", which has no package.json`
    files.push({ path: path.posix.join(folder, 'package.json'), content: reduce(linked, linkedFields) })
    for (const command of commandsOf(folder, linked)) files.push({ path: command, content: '' })
  }
  for (const archive of lockfile.archives) {
    const content = await readFile(path.join(slug, archive)).catch(() => null)
    if (content === null) return `the lockfile names "${archive}", which is not there`
    files.push({ path: archive, content })
  }
  return null
}

/** npm links a command only where its file is, so an empty one stands for it; the app's own is what it runs. */
function commandsOf(folder: string, { bin }: { readonly bin?: unknown }): string[] {
  const values: unknown[] = typeof bin === 'string' ? [bin] : Object.values(bin ?? {})
  const targets = values.filter((value) => typeof value === 'string')
  const files = targets.map((target) => path.posix.join(folder, path.posix.join('/', target)))
  return [...new Set(files)]
    .filter((file) => !file.endsWith('/') && path.posix.basename(file) !== 'package.json')
    .sort()
}

/**
 * Names the tree that will come out: sha256 in hex over every staged file, the values of the variables that
 * .npmrc asks for (another token may see other packages), Node's ABI, the platform and the package manager.
 */
export function fingerprint(
  staging: Staging,
  toolchain: Toolchain,
  manager: PackageManager,
  variables: Readonly<Record<string, string>>,
): string {
  const { nodeAbi, platform, arch, libc } = toolchain
  const hash = createHash('sha256')
  hash.update(
    JSON.stringify({
      format: 1,
      nodeAbi,
      platform,
      arch,
      libc,
      manager: manager.name,
      version: manager.version,
    }),
  )
  for (const name of staging.variables) hash.update(JSON.stringify([name, variables[name] ?? null]))
  for (const { path: name, content } of staging.files) {
    // Name and length first: no two lists of files may run together into the same bytes.
    hash.update(JSON.stringify([name, Buffer.byteLength(content)]))
    hash.update(content)
  }
  return hash.digest('hex')
}

export async function writeStaging(staging: Staging, directory: string): Promise<void> {
  for (const { path: name, content } of staging.files) {
    const file = path.join(directory, name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, content, { mode: 0o600 })
  }
}

function reduce(app: Readonly<Record<string, unknown>>, fields: readonly string[]): string {
  const kept = fields.filter((field) => !isEmpty(app[field])).map((field) => [field, app[field]])
  return `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`
}

/** So that `"devDependencies": {}` added by an editor does not count as a change. */
function isEmpty(value: unknown): boolean {
  return (
    value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  )
}

function unkeepableSetting(npmrc: string | null): string | null {
  const setting = npmrc?.match(unkeepableSettings)?.[1]
  return setting ? `.npmrc sets ${setting}` : null
}

function variablesOf(npmrc: string | null): string[] {
  const names = [...(npmrc ?? '').matchAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)(?:\?|:?-[^}\n]{0,500})?\}/g)].map(
    (match) => match[1] ?? '',
  )
  return [...new Set(names)].sort()
}
