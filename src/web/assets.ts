import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { type Context, Hono } from 'hono'
import { viewsDirectory } from '../installation.ts'
import type { Env } from './services.ts'

/**
 * Scripts, styles and icons of the panel. They are read once, named by their content (`?v=…`, so that browsers may
 * keep them for ever) and compressed on their first use. Nothing here needs a sign-in.
 */
export function assetRoutes(): Hono<Env> {
  const routes = new Hono<Env>()
  routes.get('/assets/:file', (c) => {
    const found = assets().get(c.req.param('file'))
    return found ? send(c, found) : c.notFound()
  })
  return routes
}

/** The address of an asset. Throws for one that is not there: a broken page shall not pass a test. */
export function asset(name: string): string {
  const found = assets().get(name)
  if (!found) throw new Error(`there is no asset ${name}`)
  return found.url
}

interface Asset {
  readonly url: string
  readonly type: string
  readonly etag: string
  readonly body: Buffer<ArrayBuffer>
  readonly compressed: Map<string, Promise<Buffer<ArrayBuffer>>>
}

const own = path.join(viewsDirectory, 'assets')
const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

let kept: ReadonlyMap<string, Asset> | undefined

function assets(): ReadonlyMap<string, Asset> {
  kept ??= new Map(files().map(([name, parts]) => [name, read(name, parts)]))
  return kept
}

/** Every asset and the files it is made of. One script and one style for all pages; charts where they are needed. */
function files(): [name: string, parts: readonly string[]][] {
  const { resolve } = createRequire(import.meta.url)
  const here = readdirSync(own).sort()
  const styles = here.filter((file) => file.endsWith('.css') && file !== 'panel.css')
  const single = here.filter((file) => /\.(js|svg)$/.test(file) && file !== 'np.js')
  return [
    // two deferred files race: whoever registers an extension must come right behind the core
    ['np.js', [resolve('htmx.org/dist/htmx.min.js'), path.join(own, 'np.js')]],
    ['panel.css', ['panel.css', ...styles].map((file) => path.join(own, file))],
    ['uplot.js', [resolve('uplot/dist/uPlot.iife.min.js')]],
    ['uplot.css', [resolve('uplot/dist/uPlot.min.css')]],
    ...single.map((file): [string, string[]] => [file, [path.join(own, file)]]),
  ]
}

function read(name: string, parts: readonly string[]): Asset {
  const body = Buffer.from(parts.map((part) => readFileSync(part, 'utf8')).join('\n'))
  const hash = createHash('sha256').update(body).digest('base64url').slice(0, 12)
  return {
    url: `/assets/${name}?v=${hash}`,
    type: types[path.extname(name)] ?? 'application/octet-stream',
    etag: `"${hash}"`,
    body,
    compressed: new Map(),
  }
}

async function send(c: Context<Env>, asset: Asset): Promise<Response> {
  const current = asset.url.endsWith(`?v=${c.req.query('v')}`)
  c.header('cache-control', current ? 'public, max-age=31536000, immutable' : 'no-cache')
  c.header('vary', 'Accept-Encoding')
  c.header('etag', asset.etag)
  if (c.req.header('if-none-match') === asset.etag) return c.body(null, 304)
  c.header('content-type', asset.type)
  const encoding = preferred(c.req.header('accept-encoding'))
  if (encoding === null) return c.body(asset.body)
  c.header('content-encoding', encoding)
  return c.body(await compressed(asset, encoding))
}

/** What the client says it can read, the smaller one first. */
function preferred(accepts = ''): 'br' | 'gzip' | null {
  const offers = (name: string) =>
    new RegExp(`(^|[\\s,])${name}(?!\\s*;\\s*q=0(\\.0*)?\\s*(,|$))`).test(accepts)
  if (offers('br')) return 'br'
  return offers('gzip') ? 'gzip' : null
}

function compressed(asset: Asset, encoding: 'br' | 'gzip'): Promise<Buffer<ArrayBuffer>> {
  const known = asset.compressed.get(encoding)
  if (known) return known
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_SIZE_HINT]: asset.body.length,
  }
  const made = (
    encoding === 'br'
      ? promisify(brotliCompress)(asset.body, { params })
      : promisify(gzip)(asset.body, { level: 9 })
  ) as Promise<Buffer<ArrayBuffer>>
  asset.compressed.set(encoding, made)
  return made
}
