import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, mkdir, open, symlink } from 'node:fs/promises'
import path from 'node:path'
import { tarEntries } from '../archive/tar.ts'
import { isRefusal, Refusal } from '../domain/refusal.ts'
import type { SourceEntry } from '../ports.ts'
import { type Manifest, manifestPath, manifestSchema } from './manifest.ts'

const largestManifest = 512 * 1024 * 1024
/** What a backup may hold; anything else is no backup of ours. */
const known = /^(nodepilot\.(db|json)|manifest\.json|keys\/[^/]+|repositories\/[^/]+\.bundle|projects\/.+)$/

/**
 * Unpacks a backup into an empty folder and proves every file of it by its hash. The file may come from
 * anywhere: nothing is written outside of the folder, and nothing through a link, for links are made last.
 * Refuses with `invalid` what is damaged, cut off or no backup.
 */
export async function unpackBackup(file: string, directory: string, signal: AbortSignal): Promise<Manifest> {
  const hashes = new Map<string, string>()
  const links = new Map<string, string>()
  const folders = new Map<string, number>()
  let manifestText: string | undefined
  try {
    for await (const entry of tarEntries(file, true, signal)) {
      const name = safeName(entry)
      const target = path.join(directory, name)
      await mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
      if (name === manifestPath) manifestText = await readText(entry)
      else if (entry.kind === 'directory') {
        await mkdir(target, { recursive: true, mode: 0o700 })
        folders.set(name, entry.mode)
      } else if (entry.kind === 'symlink') links.set(name, await readText(entry))
      else hashes.set(name, await writeFile(entry, target))
    }
  } catch (error) {
    throw isRefusal(error, 'rejected_tree') ? damaged(error.message, error) : error
  }
  const manifest = parseManifest(manifestText)
  compare(manifest, hashes, links)
  for (const [name, to] of links) await symlink(to, path.join(directory, name))
  // at last, or what is in a folder that nobody may write to could not be written
  for (const [name, mode] of [...folders].reverse()) await chmod(path.join(directory, name), mode & 0o777)
  return manifest
}

function safeName({ path: given, kind }: SourceEntry): string {
  const name = kind === 'directory' ? given.replace(/\/$/, '') : given
  const parts = name.split('/')
  const plain = parts.every((part) => part !== '' && part !== '.' && part !== '..') && !name.includes('\0')
  if (!plain || !known.test(name)) throw damaged('there is a name in it that no backup has')
  const inProjects = parts[0] === 'projects'
  if (kind === 'other' || (kind === 'symlink' && !inProjects)) {
    throw damaged('there is something in it that no backup has')
  }
  return name
}

async function writeFile(entry: SourceEntry, target: string): Promise<string> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const handle = await open(target, flags, 0o600).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EEXIST' || error.code === 'ENOTDIR'
      ? damaged('a name is in it twice', error)
      : error
  })
  try {
    const hash = createHash('sha256')
    for await (const piece of entry.body()) {
      hash.update(piece)
      await handle.writeFile(piece)
    }
    await handle.chmod(entry.mode & 0o777)
    return hash.digest('hex')
  } finally {
    await handle.close()
  }
}

async function readText(entry: SourceEntry): Promise<string> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of entry.body()) {
    bytes += piece.length
    if (bytes > largestManifest) throw damaged('its list of contents is too long')
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

function parseManifest(text: string | undefined): Manifest {
  if (text === undefined) throw damaged('its list of contents is missing')
  try {
    return manifestSchema.parse(JSON.parse(text))
  } catch (error) {
    throw damaged('its list of contents cannot be read', error)
  }
}

function compare(
  { files, links }: Manifest,
  hashes: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): void {
  for (const { path: name, sha256 } of files) {
    if (hashes.get(name) !== sha256) throw damaged(`${name} is not what was saved`)
  }
  const same =
    links.length === found.size && links.every(({ path: name, target }) => found.get(name) === target)
  if (files.length !== hashes.size || !same) throw damaged('there is more or less in it than was saved')
}

function damaged(sentence: string, cause?: unknown): Refusal {
  return new Refusal('invalid', `the backup cannot be used: ${sentence}`, {
    hint: 'take another backup: nodepilot backup makes one that is proved',
    cause,
  })
}
