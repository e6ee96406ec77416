import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { link, lstat, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import mime from 'mime-types'
import { z } from 'zod'
import { largestList } from '../domain/file-list.ts'
import { Refusal } from '../domain/refusal.ts'
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

const made = z.object({
  prepared: z.object({
    files: z.number(),
    bytes: z.number(),
    /** Links that lead out of the folder: they are not served. */
    leftOut: z.array(z.string()).readonly(),
  }),
})
export type Prepared = z.infer<typeof made>['prepared']

export interface PrepareOptions {
  readonly signal: AbortSignal
  /** The app's folder of a release before this one, whose twins are taken over. */
  readonly earlier: string | null
  /** The slug was just made: what lies there is of the app, which must not say what is served. */
  readonly anew: boolean
}

/**
 * Makes the list and the twins; where they are there already, only reads them. Throws when the signal aborts; refuses
 * with `too_large` more files than the front door can list.
 */
export async function prepareFiles(files: RouteFiles, options: PrepareOptions): Promise<Prepared> {
  const before = options.anew ? null : await readMade(files.index)
  if (before) return before
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
  const text = JSON.stringify({ format: 1, prepared, files: list })
  if (Buffer.byteLength(text) > largestList) throw tooMany(entries.length)
  await writeFile(`${files.index}.new`, text)
  await rename(`${files.index}.new`, files.index)
  return prepared
}

async function listed(
  { name, real, size }: SiteEntry,
  folder: string,
  { signal, earlier }: PrepareOptions,
): Promise<object> {
  const type = typeOf(name)
  if (!isCompressible(type, size)) return { type, hash: await hashOfFile(real, signal), encodings: [] }
  const bytes = await readFile(real)
  const hash = nameOf(createHash('sha256').update(bytes))
  const known = earlier === null ? [] : await takeOver(path.join(earlier, folderName), folder, hash)
  return { type, hash, encodings: known.length > 0 ? known : await writeTwins(bytes, folder, hash, signal) }
}

/** A film is not read into memory for it. */
async function hashOfFile(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash, { signal })
  return nameOf(hash)
}

function nameOf(hash: Hash): string {
  return hash.digest('base64url').slice(0, 32)
}

/** Null where it is not ours any more: processes of the app may have written there since. */
async function readMade(index: string): Promise<Prepared | null> {
  try {
    const found = await lstat(index)
    if (!found.isFile() || found.size > largestList) return null
    return made.parse(JSON.parse(await readFile(index, 'utf8'))).prepared
  } catch {
    return null
  }
}

function tooMany(count: number): Refusal {
  return new Refusal(
    'too_large',
    `static: there are ${count} files, more than can be served without a process`,
    {
      hint: 'serve them with a process of the app, or leave some away',
    },
  )
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
