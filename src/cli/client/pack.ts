import { lstat, readdir } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { usage } from './failure.ts'
import { alwaysIgnored, type Ignored, isIgnored, rulesAbove, rulesIn, rulesInside } from './ignored.ts'

export interface Listing {
  /** Paths from the root, sorted; folders only where they are empty. */
  readonly names: readonly string[]
  /** Of all files together. */
  readonly bytes: number
  /** Sockets, pipes and devices, which no archive can hold. */
  readonly skipped: readonly string[]
}

/** What of a folder belongs to its source. Symlinks count as themselves. */
export async function listSource(root: string): Promise<Listing> {
  const names: string[] = []
  const skipped: string[] = []
  let bytes = 0
  const visit = async (folder: string, above: Ignored): Promise<void> => {
    const ignored = [...above, ...rulesIn(path.join(root, folder), folder)]
    const entries = await readdir(path.join(root, folder), { withFileTypes: true })
    if (entries.length === 0 && folder !== '') names.push(folder)
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (alwaysIgnored.has(entry.name)) continue
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) {
        if (!isIgnored(ignored, root, `${name}/`)) await visit(name, rulesInside(ignored, root, name))
      } else if (!isIgnored(ignored, root, name)) {
        if (!entry.isFile() && !entry.isSymbolicLink()) skipped.push(name)
        else {
          names.push(name)
          if (entry.isFile()) bytes += (await lstat(path.join(root, name))).size
        }
      }
    }
  }
  await visit('', rulesAbove(root))
  if (names.length === 0) {
    throw usage(`${root} has no files to deploy`, 'name another folder: nodepilot deploy <folder>')
  }
  return { names, bytes, skipped }
}

/** The files as a .tar.gz, made while it is read. `onBytes` hears how much of the files has been taken. */
export async function packSource(
  root: string,
  names: readonly string[],
  onBytes: (count: number) => void,
): Promise<Readable> {
  const { create } = await import('tar')
  const stream = create(
    {
      cwd: root,
      gzip: true,
      portable: true,
      noDirRecurse: true,
      strict: true,
      linkCache: new NoLinks(),
      onWriteEntry: (entry) => onBytes(entry.stat?.size ?? 0),
    },
    // a name that begins with @ would be read as an archive to take entries from
    names.map((name) => `./${name}`),
  )
  const { Readable } = await import('node:stream')
  return Readable.from(stream as unknown as AsyncIterable<Buffer>, { objectMode: false })
}

/** Files with a second name are packed whole both times: a hard link in an archive is refused by many. */
class NoLinks extends Map<`${number}:${number}`, string> {
  override set(): this {
    return this
  }
}
