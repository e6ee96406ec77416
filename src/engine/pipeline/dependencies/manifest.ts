import { chmodSync, lchownSync, lstatSync, readdirSync, readlinkSync } from 'node:fs'

/** The list of everything in a kept tree: what is placed into a release, and what must still be true of it. */
export interface Manifest {
  readonly format: 1
  /** Different for every install: tells a kept tree from the one that replaced it. */
  readonly id: string
  /** Installed packages, for people. */
  readonly packages: number
  readonly files: number
  readonly bytes: number
  /** `node_modules`, `packages/x/node_modules`: folders that are replaced as a whole. */
  readonly roots: readonly string[]
  /** Parents come before children. */
  readonly directories: readonly ManifestDirectory[]
}

export interface ManifestDirectory {
  readonly path: string
  readonly files: readonly ManifestFile[]
  /** Name and target. */
  readonly symlinks: readonly (readonly [string, string])[]
}

/**
 * Name, bytes, time of last change, executable. The time is in ms since 1970 with fractions, as `lstat` gives
 * it: steps of 0.25 µs, and half the time of a `lstat` with nanoseconds as BigInt.
 */
export type ManifestFile = readonly [name: string, size: number, mtimeMs: number, executable: 0 | 1]

export const keptFileMode = 0o444
export const keptExecutableMode = 0o555

/**
 * Makes every file below `<tree>/<root>` read-only (and `owner`'s, where given) and lists what is there.
 * Synchronous: runs in a worker. Anything but files, folders and symlinks is left out.
 */
export function sealTree(tree: string, roots: readonly string[], owner: number | null): ManifestDirectory[] {
  const directories: ManifestDirectory[] = []
  for (const root of roots) sealDirectory(tree, root, owner, directories)
  return directories
}

function sealDirectory(tree: string, at: string, owner: number | null, into: ManifestDirectory[]): void {
  const files: ManifestFile[] = []
  const symlinks: [string, string][] = []
  const below: string[] = []
  into.push({ path: at, files, symlinks })
  for (const entry of readdirSync(`${tree}/${at}`, { withFileTypes: true })) {
    const file = `${tree}/${at}/${entry.name}`
    if (entry.isDirectory()) below.push(`${at}/${entry.name}`)
    else if (entry.isSymbolicLink()) symlinks.push([entry.name, readlinkSync(file)])
    else if (entry.isFile()) files.push(sealFile(file, entry.name, owner))
  }
  for (const directory of below) sealDirectory(tree, directory, owner, into)
}

function sealFile(file: string, name: string, owner: number | null): ManifestFile {
  const { size, mtimeMs, mode } = lstatSync(file)
  const executable = mode & 0o111 ? 1 : 0
  chmodSync(file, executable ? keptExecutableMode : keptFileMode)
  if (owner !== null) lchownSync(file, owner, owner)
  return [name, size, mtimeMs, executable]
}
