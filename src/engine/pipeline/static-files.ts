import { createHash } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import mime from 'mime-types'
import type { StaticFiles } from '../domain/release-plan.ts'
import type { RouteFiles } from '../ports.ts'
import { isCompressible, writeTwins } from './static-twins.ts'
import { type SiteEntry, walkSite } from './static-walk.ts'

/**
 * What the front door needs to serve a folder of a release without a process: a list of its files with types and
 * hashes, and compressed twins of those that gain by it. It is made once with the release, and nothing that is not
 * in the list is ever served.
 */

/** Beside the app's own files: it is removed with the slug, and a name with a dot is never served. */
const folderName = '.nodepilot-static'
const listName = 'list.json'
/** Files read and compressed side by side. */
const atOnce = 4

/** Where the files of a release are served from. */
export function routeFilesOf(
  slug: string,
  { rootDir }: { readonly rootDir: string },
  { directory, spa }: StaticFiles,
): RouteFiles {
  const appFolder = path.join(slug, rootDir)
  const index = path.join(appFolder, folderName, listName)
  return { directory: path.join(appFolder, directory), within: slug, index, spa }
}

export interface Prepared {
  readonly files: number
  readonly bytes: number
  /** Links that lead out of the folder: they are not served. */
  readonly leftOut: readonly string[]
}

/**
 * Makes the list and the twins; where they are there already, only reads them. `earlier` is the app's folder of a
 * release before this one, whose twins are taken over. Throws when the signal aborts.
 */
export async function prepareFiles(
  files: RouteFiles,
  options: { readonly signal: AbortSignal; readonly earlier: string | null },
): Promise<Prepared> {
  const made = await readFile(files.index, 'utf8').catch(() => null)
  if (made !== null) return (JSON.parse(made) as { prepared: Prepared }).prepared
  const folder = path.dirname(files.index)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const { entries, leftOut } = await walkSite(files.directory)
  const list: Record<string, object> = {}
  const queue = [...entries]
  const worker = async () => {
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      options.signal.throwIfAborted()
      list[entry.name] = await listed(entry, folder, options)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  const bytes = entries.reduce((sum, entry) => sum + entry.size, 0)
  const prepared = { files: entries.length, bytes, leftOut }
  // whole or not at all: it says that everything else is there
  await writeFile(`${files.index}.new`, JSON.stringify({ format: 1, prepared, files: list }))
  await rename(`${files.index}.new`, files.index)
  return prepared
}

async function listed(
  { name, real, size }: SiteEntry,
  folder: string,
  { signal, earlier }: { readonly signal: AbortSignal; readonly earlier: string | null },
): Promise<object> {
  const type = typeOf(name)
  const bytes = await readFile(real)
  const hash = createHash('sha256').update(bytes).digest('base64url').slice(0, 32)
  if (!isCompressible(type, size)) return { type, hash, encodings: [] }
  const known = earlier === null ? [] : await takeOver(path.join(earlier, folderName), folder, hash)
  return { type, hash, encodings: known.length > 0 ? known : await writeTwins(bytes, folder, hash, signal) }
}

/** The same bytes have the same twins. */
async function takeOver(from: string, to: string, hash: string): Promise<string[]> {
  const taken: string[] = []
  for (const encoding of ['br', 'gz']) {
    const name = `${hash}.${encoding}`
    const there = await stat(path.join(to, name)).catch(() => null)
    const done = there !== null || (await link(path.join(from, name), path.join(to, name)).then(yes, no))
    if (done) taken.push(encoding)
  }
  return taken
}

const yes = () => true
const no = () => false

/** The one file that is JSON by its standard and has no ending. */
const wellKnown: Readonly<Record<string, string>> = {
  'apple-app-site-association': 'application/json',
}

function typeOf(name: string): string {
  const known = wellKnown[path.posix.basename(name)]
  return known ?? (mime.contentType(path.posix.extname(name)) || 'application/octet-stream')
}
