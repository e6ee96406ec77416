import { lstat, readFile, realpath } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { largestList } from '../domain/file-list.ts'
import type { RouteFiles } from '../ports.ts'

/** One file of a site, as the list made with its release knows it. */
export interface SiteFile {
  readonly type: string
  /** Of its bytes; names its compressed twins, `<hash>.br`. */
  readonly hash: string
  readonly encodings: readonly Encoding[]
}

export type Encoding = 'br' | 'gz'

export interface Site {
  /** What a path leads to. Pure look-up in the list: what is not in it does not exist. */
  find(target: string, wantsPage: boolean): Found
  /** The real path of a file of the list; null where it is gone, or leads out by now. */
  locate(name: string): Promise<string | null>
  /** The same of a compressed twin. */
  locateTwin(file: SiteFile, encoding: Encoding): Promise<string | null>
}

export type Found =
  | { readonly kind: 'file'; readonly status: 200 | 404; readonly name: string; readonly file: SiteFile }
  | { readonly kind: 'moved'; readonly location: string }
  | { readonly kind: 'none'; readonly status: 400 | 404 }

/** Opens the files of a release. Throws where the list is not there or cannot be read. */
export async function openSite({ directory, within: slug, index, spa }: RouteFiles): Promise<Site> {
  const list = await lstat(index)
  // the door is everybody's: a pipe would hold it, an endless file fill it
  if (!list.isFile() || list.size > largestList) throw new Error('the list of files is none')
  const files = parseList(await readFile(index, 'utf8'))
  const [root, twins, outer] = await Promise.all(
    [directory, dirname(index), slug].map((one) => realpath(one)),
  )
  if (root === undefined || twins === undefined || outer === undefined) throw new Error('no folder')
  for (const folder of [root, twins]) {
    if (!`${folder}${sep}`.startsWith(outer + sep)) throw new Error(`${folder} lies outside of ${outer}`)
  }
  return {
    find: (target, wantsPage) => findFile(files, spa, target, wantsPage),
    locate: (name) => within(root, name),
    locateTwin: (file, encoding) => within(twins, `${file.hash}.${encoding}`),
  }
}

/**
 * `/` and `/docs/` are their index.html, `/docs` moves to `/docs/`, `/about` may be `about.html`. Where nothing
 * fits: `index.html` for a page of a single-page app, else `404.html`.
 */
function findFile(
  files: ReadonlyMap<string, SiteFile>,
  spa: boolean,
  target: string,
  wantsPage: boolean,
): Found {
  const [rawPath = '/', query] = split(target)
  const name = decode(rawPath)?.slice(1)
  if (name === undefined) return { kind: 'none', status: 400 }
  const asked = name === '' || name.endsWith('/') ? `${name}index.html` : name
  for (const candidate of name.endsWith('/') ? [asked] : [asked, `${asked}.html`]) {
    const file = files.get(candidate)
    if (file) return { kind: 'file', status: 200, name: candidate, file }
  }
  if (files.has(`${asked}/index.html`)) return { kind: 'moved', location: `${rawPath}/${query}` }
  const entry = files.get('index.html')
  const isPage = wantsPage || !/\.[^/]*$/.test(name)
  if (spa && entry && isPage) return { kind: 'file', status: 200, name: 'index.html', file: entry }
  const missing = files.get('404.html')
  if (missing) return { kind: 'file', status: 404, name: '404.html', file: missing }
  return { kind: 'none', status: 404 }
}

function split(target: string): [path: string, query: string] {
  const at = target.indexOf('?')
  return at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at)]
}

/** Once: what is encoded twice is the name of no file. */
function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

/** Links inside of the folder are fine; one that was bent since then leads nowhere. */
async function within(root: string, name: string): Promise<string | null> {
  const real = await realpath(join(root, name)).catch(() => null)
  return real?.startsWith(root + sep) ? real : null
}

/** Checked by hand: a schema library would cost this process a third of its memory. */
function parseList(text: string): Map<string, SiteFile> {
  const list = JSON.parse(text) as { files?: Record<string, Partial<SiteFile>> }
  if (typeof list.files !== 'object' || list.files === null) throw new Error('the list of files is damaged')
  const files = new Map<string, SiteFile>()
  for (const [name, { type, hash, encodings }] of Object.entries(list.files)) {
    if (typeof type !== 'string' || !/^[\t\x20-\x7e]+$/.test(type)) continue
    if (typeof hash !== 'string' || !/^[\w-]{20,64}$/.test(hash) || !Array.isArray(encodings)) continue
    files.set(name, { type, hash, encodings: encodings.filter((one) => one === 'br' || one === 'gz') })
  }
  return files
}
