import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, symlink } from 'node:fs/promises'
import path from 'node:path'
import semver from 'semver'
import { z } from 'zod'
import { isRefusal, Refusal } from '../../domain/refusal.ts'
import { findNpm, type ManagerName, type PackageManager, type Toolchain } from '../dependencies/toolchain.ts'
import type { Hash, ManagerRequest } from './manager-request.ts'
import type { FetchOptions } from './nodes.ts'
import type { Registry } from './registry.ts'
import type { Shelf } from './shelf.ts'

/** Package managers are packages of the npm registry: fetched once a version, kept in `<home>/cache/managers`. */
export interface Managers {
  /**
   * For an app on this Node; null: npm, as the server has it. Refuses with `install_failed`.
   */
  choose(request: ManagerRequest, toolchain: Toolchain, options: FetchOptions): Promise<PackageManager | null>
  /** `pnpm@10.34.8`, fetched where it is not there. Refuses with `install_failed`. */
  obtain(spec: string, toolchain: Toolchain, options: FetchOptions): Promise<PackageManager>
}

export interface ManagersOptions {
  readonly registry: Registry
  readonly shelf: Shelf
  /** PATH of the server, where its npm is. */
  readonly searchPath: string
}

export function createManagers(given: ManagersOptions): Managers {
  return {
    async choose(request, toolchain, options) {
      if (request.name === 'npm') return chooseNpm(request, toolchain, given, options)
      const version = await findVersion(request.name, request.range ?? '*', given, options)
      return obtain(request.name, version, request.hash, toolchain, given, options)
    },
    obtain(spec, toolchain, options) {
      const at = spec.lastIndexOf('@')
      const name = spec.slice(0, at) as ManagerName
      return obtain(name, spec.slice(at + 1), null, toolchain, given, options)
    },
  }
}

/** npm's majors and the Node they work with (`engines` of their packages), newest first. */
const npmLines: readonly (readonly [node: string, npm: string])[] = [
  ['^20.17.0 || >=22.9.0', '^11.0.0'],
  ['^18.17.0 || >=20.5.0', '^10.0.0'],
  ['^14.17.0 || ^16.13.0 || >=18.0.0', '^9.0.0'],
  ['>=12.13.0', '^8.0.0'],
]

/** The server's own, unless the app asks for another one or its Node is too old (or too new) for it. */
async function chooseNpm(
  request: ManagerRequest,
  toolchain: Toolchain,
  given: ManagersOptions,
  options: FetchOptions,
): Promise<PackageManager | null> {
  const own = await findNpm(given.searchPath)
  const wanted = request.range
  const fits = own === null || wanted === null || semver.satisfies(own.version, wanted)
  if (fits && (await worksWith(own, toolchain))) return null
  const range = wanted ?? npmLines.find(([node]) => semver.satisfies(toolchain.nodeVersion, node))?.[1] ?? '*'
  const version = await findVersion('npm', range, given, options)
  return obtain('npm', version, request.hash, toolchain, given, options)
}

async function worksWith(manager: PackageManager | null, { nodeVersion }: Toolchain): Promise<boolean> {
  if (!manager?.directory) return true
  const text = await readFile(path.join(manager.directory, 'package.json'), 'utf8').catch(() => '{}')
  const { engines } = JSON.parse(text) as { engines?: { node?: string } }
  return engines?.node === undefined || semver.satisfies(nodeVersion, engines.node)
}

/** A whole version needs no answer of the registry; of a range the newest, or the newest that is kept. */
async function findVersion(
  name: ManagerName,
  range: string,
  { registry, shelf }: ManagersOptions,
  options: FetchOptions,
): Promise<string> {
  const exact = semver.valid(range)
  if (exact !== null) return exact
  if (semver.validRange(range) === null) {
    throw new Refusal('install_failed', `package.json asks for ${name} "${range}", which is no version`, {
      hint: `write "packageManager": "${name}@<version>", as "${name} --version" says it`,
    })
  }
  const kept = (await shelf.names()).flatMap((spec) =>
    spec.startsWith(`${name}@`) ? [spec.slice(name.length + 1)] : [],
  )
  try {
    const [listed] = packagesOf(name, semver.minVersion(range)?.version ?? '1.0.0', null)
    const newest = semver.maxSatisfying([...(await registry.versions(listed, options))], range)
    if (newest !== null) return newest
  } catch (error) {
    const newest = semver.maxSatisfying(kept, range)
    if (newest !== null && isRefusal(error, 'install_failed')) return newest
    throw error
  }
  throw new Refusal('install_failed', `package.json asks for ${name} "${range}", and there is none`, {
    hint: `write "packageManager": "${name}@<version>", as "${name} --version" says it`,
  })
}

async function obtain(
  name: ManagerName,
  version: string,
  hash: Hash | null,
  toolchain: Toolchain,
  { registry, shelf }: ManagersOptions,
  options: FetchOptions,
): Promise<PackageManager> {
  const [main, ...more] = packagesOf(name, version, toolchain)
  const folder = await shelf.obtain(`${name}@${version}`, options.signal, async (empty) => {
    options.say(`${name} ${version} is fetched; it is kept for the next time.`)
    await registry.fetch({ name: main, version, hashes: true }, empty, options)
    await placeNative(name, empty, main, more)
  })
  // what corepack would compare for bun, nobody knows
  if (hash && name !== 'bun') await checkHash(`${name}@${version}`, folder, main, hash)
  const directory = path.join(folder, 'node_modules', main)
  const manager: PackageManager = { name, version, directory, bin: path.join(folder, 'node_modules/.bin') }
  if (!(await worksWith(manager, toolchain))) {
    throw new Refusal(
      'install_failed',
      `${name} ${version} does not work with Node ${toolchain.nodeVersion}`,
      {
        hint: `ask for another Node in .nvmrc, or for another ${name} in "packageManager" of package.json`,
      },
    )
  }
  return manager
}

/**
 * Refuses with `install_failed` when it is not what the app names. For newer yarns corepack takes the hash of
 * their one file, for all others that of the archive.
 */
async function checkHash(
  spec: string,
  folder: string,
  main: string,
  { algorithm, hex }: Hash,
): Promise<void> {
  const found =
    main === berry
      ? createHash(algorithm)
          .update(await readFile(path.join(folder, 'node_modules', main, 'bin/yarn.js')))
          .digest('hex')
      : hashes.parse(JSON.parse(await readFile(path.join(folder, 'hashes.json'), 'utf8')))[algorithm]
  if (found === hex) return
  throw new Refusal('install_failed', `${spec} is not the one whose ${algorithm} packageManager names`, {
    hint: 'correct "packageManager" in package.json, or leave the hash in it away',
  })
}

const hashes = z.record(z.string(), z.string())
const berry = '@yarnpkg/cli-dist'

/** The package that holds it, and those that hold a program of its own for this system. */
function packagesOf(
  name: ManagerName,
  version: string,
  toolchain: Toolchain | null,
): [main: string, ...native: string[]] {
  if (name === 'yarn') return [semver.major(version) >= 2 ? berry : 'yarn']
  if (toolchain === null) return [name]
  const { platform, arch, libc } = toolchain
  const musl = libc === 'musl' ? '-musl' : ''
  if (name === 'bun') return [`@oven/bun-${platform}-${arch === 'arm64' ? 'aarch64' : arch}${musl}`]
  if (name === 'pnpm') return ['pnpm', `@pnpm/exe.${platform}-${arch}${musl}`]
  return [name]
}

/**
 * bun comes without a link to its program. pnpm 12 is a program too, before which its package sets a script that
 * starts Node first.
 */
async function placeNative(
  name: ManagerName,
  folder: string,
  main: string,
  native: readonly string[],
): Promise<void> {
  const bin = path.join(folder, 'node_modules/.bin')
  await mkdir(bin, { recursive: true })
  if (name === 'bun') {
    for (const command of ['bun', 'bunx']) await symlink(`../${main}/bin/bun`, path.join(bin, command))
  }
  for (const one of name === 'pnpm' ? native : []) {
    const program = path.join(folder, 'node_modules', one, 'pnpm')
    const there = await readFile(path.join(path.dirname(program), 'package.json')).then(
      () => true,
      () => false,
    )
    if (!there) continue
    await symlink(`../${one}/pnpm`, path.join(bin, 'pnpm.new'))
    await rename(path.join(bin, 'pnpm.new'), path.join(bin, 'pnpm'))
  }
}
