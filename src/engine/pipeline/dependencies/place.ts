import {
  chmodSync,
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  symlinkSync,
} from 'node:fs'
import { keptExecutableMode, keptFileMode, type ManifestDirectory, type ManifestFile } from './manifest.ts'

/**
 * How a kept tree comes into a release. `link`: hard links, read-only, in no time. `copy`: private and
 * writable; where the file system can (btrfs, XFS), the copies share their blocks until written.
 */
export type PlaceMode = 'link' | 'copy'

/** The kept tree is not what its manifest says: a file is missing or was written to. */
export class DamagedTree extends Error {
  override readonly name = 'DamagedTree'
  readonly path: string

  constructor(path: string) {
    super(`the kept file ${path} was changed`)
    this.path = path
  }
}

/**
 * Makes these folders and puts their files in place; each file is compared with the manifest first. Pauses
 * after every folder. Parents must come before children or be there already. Throws `DamagedTree`, and
 * leaves half a tree then.
 */
export function* placeDirectories(
  directories: readonly ManifestDirectory[],
  from: string,
  to: string,
  mode: PlaceMode,
): Generator<void> {
  const place = mode === 'link' ? linkFile : copyFile
  for (const { path, files, symlinks } of directories) {
    const [source, target] = [`${from}/${path}/`, `${to}/${path}/`]
    mkdirSync(target)
    for (const [name, goal] of symlinks) symlinkSync(goal, target + name)
    for (const file of files) {
      verify(source + file[0], file)
      place(source + file[0], target + file[0], file[3])
    }
    yield
  }
}

function verify(source: string, [, size, mtimeMs, executable]: ManifestFile): void {
  const found = lstat(source)
  if (!found?.isFile() || found.size !== size || found.mtimeMs !== mtimeMs) throw new DamagedTree(source)
  const mode = executable ? keptExecutableMode : keptFileMode
  // Somebody ran chmod but wrote nothing (a package that marks its binary executable at every start).
  if ((found.mode & 0o7777) !== mode) chmodSync(source, mode)
}

function lstat(file: string): Stats | undefined {
  try {
    return lstatSync(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

/**
 * Gives every file below `<tree>/<root>` an inode of its own, writable, by copy and rename. What a release
 * added itself is writable already and stays as it is.
 */
export function unshare(tree: string, root: string): void {
  const folder = `${tree}/${root}`
  if (!lstat(folder)?.isDirectory()) return
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = `${folder}/${entry.name}`
    if (entry.isDirectory()) unshare(tree, `${root}/${entry.name}`)
    else if (entry.isFile()) unshareFile(file)
  }
}

function unshareFile(file: string): void {
  const { mode } = lstatSync(file)
  if (mode & 0o200) return
  const copy = `${file}.nodepilot-own`
  rmSync(copy, { force: true })
  copyFile(file, copy, mode & 0o111 ? 1 : 0)
  renameSync(copy, file)
}

/** Another file system, too many links to one file, a file system without links: then this one is copied. */
const cannotLink = new Set(['EXDEV', 'EMLINK', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP'])

function linkFile(source: string, target: string, executable: 0 | 1): void {
  try {
    linkSync(source, target)
  } catch (error) {
    if (!cannotLink.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    copyFile(source, target, executable)
  }
}

function copyFile(source: string, target: string, executable: 0 | 1): void {
  copyFileSync(source, target, constants.COPYFILE_FICLONE)
  chmodSync(target, executable ? 0o755 : 0o644)
}
