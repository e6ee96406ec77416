import { access, readFile } from 'node:fs/promises'
import path from 'node:path'
import { Refusal } from '../../domain/refusal.ts'
import { type ManagerName, managerNames } from '../dependencies/toolchain.ts'
import type { PackageJson } from '../package-json.ts'
import { hashAlgorithms } from './registry.ts'

export interface Hash {
  readonly algorithm: (typeof hashAlgorithms)[number]
  readonly hex: string
}

/** Which package manager an app is made with. */
export interface ManagerRequest {
  readonly name: ManagerName
  /** A version or range, as the app or its lockfile asks for; null: npm, as the server has it. */
  readonly range: string | null
  /** Of its archive, where `packageManager` names one. */
  readonly hash: Hash | null
  /** For people, on a line of its own each. */
  readonly warnings: readonly string[]
}

/** In the order in which they count where nothing else says which. */
export const lockfiles: readonly (readonly [file: string, manager: ManagerName])[] = [
  ['npm-shrinkwrap.json', 'npm'],
  ['package-lock.json', 'npm'],
  ['pnpm-lock.yaml', 'pnpm'],
  ['yarn.lock', 'yarn'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
]

/**
 * `packageManager` of package.json, else the lockfile, else npm. `folder` is where the install happens. Refuses
 * with `install_failed` a `packageManager` that nobody can understand.
 */
export async function findManagerRequest(
  folder: string,
  packageJson: PackageJson | null,
): Promise<ManagerRequest> {
  const there = await lockfilesIn(folder)
  const named = packageJson?.packageManager ? readNamed(packageJson.packageManager) : null
  const name = named?.name ?? there[0]?.[1] ?? 'npm'
  const own = there.find(([, manager]) => manager === name)?.[0] ?? null
  const why = named === null ? 'as the first of them' : 'as packageManager says'
  return {
    name,
    range: named?.range ?? packageJson?.engines?.[name]?.trim() ?? (await rangeOf(name, folder)),
    hash: named?.hash ?? null,
    warnings: warningsAbout(there, name, own, why),
  }
}

async function lockfilesIn(folder: string): Promise<(typeof lockfiles)[number][]> {
  const found: (typeof lockfiles)[number][] = []
  for (const entry of lockfiles) {
    const there = await access(path.join(folder, entry[0])).then(
      () => true,
      () => false,
    )
    // the two formats of one manager are one choice
    if (there && !found.some(([, manager]) => manager === entry[1])) found.push(entry)
  }
  return found
}

interface Named {
  readonly name: ManagerName
  readonly range: string | null
  readonly hash: Hash | null
}

/** `pnpm@10.34.8`, also with the hash that corepack adds: `+sha512.…` in hex. */
function readNamed(packageManager: string): Named {
  const match = /^([a-z]+)(?:@([^+]+))?(?:\+(sha\d+)\.([0-9a-f]+))?$/i.exec(packageManager.trim())
  const name = managerNames.find((known) => known === match?.[1])
  const algorithm = hashAlgorithms.find((known) => known === match?.[3]?.toLowerCase())
  if (!match || !name || (match[3] && !algorithm)) {
    throw new Refusal('install_failed', `packageManager in package.json is "${packageManager}"`, {
      hint: 'write npm, pnpm, yarn or bun with a version, as in "pnpm@10.34.8"',
    })
  }
  const [, , range, , hex] = match
  const hash = algorithm && hex ? { algorithm, hex: hex.toLowerCase() } : null
  return { name, range: range ?? null, hash }
}

/** Lockfiles only say which versions of their manager can read them. */
async function rangeOf(name: ManagerName, folder: string): Promise<string | null> {
  if (name === 'npm') return null
  if (name === 'bun') return '^1.0.0'
  if (name === 'pnpm') return pnpmRange(await head(path.join(folder, 'pnpm-lock.yaml')))
  return yarnRange(await head(path.join(folder, 'yarn.lock')), await head(path.join(folder, '.yarnrc.yml')))
}

function pnpmRange(lockfile: string): string {
  const format = Number(/^lockfileVersion:\s*'?(\d+)/m.exec(lockfile)?.[1] ?? 9)
  if (format <= 5) return '^7.0.0'
  return format < 9 ? '^8.0.0' : '^10.0.0'
}

/** A release that lies in the app names its version; it is fetched all the same, and that file never run. */
function yarnRange(lockfile: string, settings: string): string {
  const release = /^yarnPath:.*\byarn-(\d+\.\d+\.\d+)\.c?js/m.exec(settings)?.[1]
  if (release) return release
  const format = /^__metadata:\s*\n\s+version:\s*"?(\d+)/m.exec(lockfile)?.[1]
  if (format === undefined) return settings === '' ? '^1.22.0' : '^4.0.0'
  if (Number(format) < 7) return '^3.0.0'
  // found by trying: each refuses, frozen, what an older one wrote
  if (Number(format) < 9) return '>=4.0.0 <=4.12.0'
  return Number(format) === 9 ? '~4.14.0' : '>=4.18.0'
}

async function head(file: string): Promise<string> {
  return (await readFile(file, 'utf8').catch(() => '')).slice(0, 4096)
}

function warningsAbout(
  there: readonly (typeof lockfiles)[number][],
  name: ManagerName,
  own: string | null,
  why: string,
): string[] {
  const others = there.filter(([, manager]) => manager !== name).map(([file]) => file)
  if (others.length === 0) return []
  const all = there.map(([file]) => file).join(' and ')
  const used = own ? `${own} is used (${name}), ${why}.` : `${name} is used, ${why}, and has no lockfile.`
  const found = there.length === 1 ? `there is ${all}` : `there are ${all}`
  return [`warning: ${found}: ${used}`, `hint: remove ${others.join(' and ')}, or commit what ${name} needs.`]
}
