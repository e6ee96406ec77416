import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { Eta } from 'eta'
import type { Context } from 'hono'
import { getCookie } from 'hono/cookie'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { viewsDirectory } from '../installation.ts'
import type { Env } from './services.ts'
import { words } from './words.ts'

/** What every whole page says about itself. */
export interface PageData {
  readonly title: string
  /** Which part of the main navigation it belongs to. */
  readonly nav?: 'projects' | 'deploys' | 'server' | 'settings' | null
  /** Scripts it needs beside the panel's own: names of assets. */
  readonly scripts?: readonly string[]
  /** Styles likewise. */
  readonly styles?: readonly string[]
  /** Seconds after which a browser without script loads it again. */
  readonly reloadWithoutScript?: number
  readonly [key: string]: unknown
}

/** Templates with `words` at hand by name; every `<%= … %>` is escaped. */
class Views extends Eta {
  readonly words = words
}

const views = new Views({
  views: viewsDirectory,
  cache: true,
  autoEscape: true,
  functionHeader: `const { ${Object.keys(words).join(', ')} } = this.words;`,
})

/** A view inside the frame of the panel. */
export function page(
  c: Context<Env>,
  view: string,
  data: PageData,
  status: ContentfulStatusCode = 200,
): Response {
  return html(c, pageText(c, view, data), status)
}

/** The text of a page, for who answers it in a way of his own. */
export function pageText(c: Context<Env>, view: string, data: PageData): string {
  const actor = c.get('actor') ?? null
  const url = new URL(c.req.url)
  const common = { nav: null, ...data, actor, theme: themeOf(c), address: url.pathname + url.search }
  const body = views.render(view, common)
  return views.render('layout', { ...common, body })
}

/** A view alone, for a request of htmx. */
export function fragment(
  c: Context<Env>,
  view: string,
  data: object,
  status: ContentfulStatusCode = 200,
): Response {
  return html(c, views.render(view, { ...data, actor: c.get('actor') ?? null }), status)
}

/** A view as text, to be put into another one or looked at. */
export function renderView(view: string, data: object): string {
  return views.render(view, data)
}

/**
 * A part of a page that refreshes itself: where it says `@have@` it gets a mark of its own content, which the
 * browser sends back as `?have=`; while that is unchanged, the answer is 204 and the page stays as it is.
 */
export function refresh(c: Context<Env>, marked: Marked): Response {
  if (c.req.query('have') === marked.mark) return c.body(null, 204)
  return html(c, marked.html, 200)
}

export interface Marked {
  readonly html: string
  readonly mark: string
}

/** See `refresh`. What is said about the time that has passed does not count as a change. */
export function mark(view: string, data: object): Marked {
  const text = views.render(view, data)
  const lasting = text.replaceAll(/(<time[^>]*>)[^<]*/g, '$1')
  const value = createHash('sha1').update(lasting).digest('base64url').slice(0, 16)
  return { html: text.replaceAll('@have@', value), mark: value }
}

/** htmx asks for a part of a page. */
export function isFragmentRequest(c: Context<Env>): boolean {
  return c.req.header('hx-request') === 'true' && c.req.header('hx-history-restore-request') !== 'true'
}

export const themeCookie = 'nodepilot_theme'

export function themeOf(c: Context<Env>): 'auto' | 'light' | 'dark' {
  const value = getCookie(c, themeCookie)
  return value === 'light' || value === 'dark' ? value : 'auto'
}

/** Pages are nobody else's, and show secrets now and then: no cache keeps them. */
export function html(c: Context<Env>, text: string, status: ContentfulStatusCode): Response {
  c.header('content-type', 'text/html; charset=utf-8')
  c.header('cache-control', 'private, no-store')
  c.header('vary', 'Accept-Encoding, Cookie, HX-Request')
  if (text.length < 1_400 || !/\bgzip\b/.test(c.req.header('accept-encoding') ?? '')) {
    return c.body(text, status)
  }
  c.header('content-encoding', 'gzip')
  return c.body(gzipSync(text, { level: 4 }), status)
}
