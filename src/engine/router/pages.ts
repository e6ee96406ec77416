/** The router's own answers. They name the host or project asked for and nothing of what is behind. */

export interface Page {
  readonly status: number
  readonly title: string
  readonly sentence: string
  /** Seconds. */
  readonly retryAfter?: number
  /** About the panel, whose API answers in JSON. */
  readonly panel?: true
  /** Where to ask instead. */
  readonly location?: string
  /** Somebody wants it so: no release that was tried before is to blame. */
  readonly meant?: true
  /** The project's own page, for browsers. */
  readonly html?: string
}

export type PageForm = 'html' | 'text' | 'problem'

export interface Answer {
  readonly status: number
  readonly reason: string
  /** Names and values in turn. */
  readonly headers: string[]
  readonly body: string
}

export const pages = {
  /** Method and body are kept (RFC 9110 15.4.9); never stored, for a primary host can change. */
  moved: (location: string): Page => ({
    status: 308,
    title: 'This project answers at another name',
    sentence: `Please go to ${location}`,
    location,
  }),
  notFound: (host: string): Page => ({
    status: 404,
    title: 'There is no project here',
    sentence: `No project answers at ${host}.`,
  }),
  stopped: (project: string): Page => ({
    status: 503,
    title: `${project} is stopped`,
    sentence: 'It answers again as soon as it is started.',
    retryAfter: 30,
    meant: true,
  }),
  /** `html`: a page of the project's own. */
  maintenance: (project: string, html: string | null): Page => ({
    status: 503,
    title: `${project} is in maintenance`,
    sentence: 'It is being worked on and will be back soon. Please try again later.',
    retryAfter: 60,
    meant: true,
    ...(html === null ? {} : { html }),
  }),
  notRunning: (project: string): Page => ({
    status: 503,
    title: `${project} is not running`,
    sentence: 'No instance of it takes requests at the moment. Please try again shortly.',
    retryAfter: 5,
  }),
  /** New requests waited, and nothing came to serve them in time. */
  changing: (project: string): Page => ({
    status: 503,
    title: `${project} is changing versions`,
    sentence: 'The new version is not ready yet. Please try again shortly.',
    retryAfter: 5,
  }),
  /** It was waited for, and has not come up in time. */
  waking: (project: string): Page => ({
    status: 503,
    title: `${project} is waking up`,
    sentence: 'It was asleep, and has not started yet. Please try again shortly.',
    retryAfter: 5,
  }),
  /** `sentence`: why, as it may be read by strangers; `retryAfter`: seconds. */
  notWoken: (project: string, sentence: string, retryAfter: number): Page => ({
    status: 503,
    title: `${project} could not be woken`,
    sentence,
    retryAfter,
  }),
  noAnswer: (project: string): Page => ({
    status: 502,
    title: `${project} did not answer`,
    sentence: 'The app closed the connection or could not be reached. Please try again.',
  }),
  panelRestarting: (): Page => ({
    status: 503,
    title: 'The panel is restarting',
    sentence: 'Projects keep running meanwhile. Please try again in a moment.',
    retryAfter: 1,
    panel: true,
  }),
  panelNoAnswer: (): Page => ({
    status: 502,
    title: 'The panel did not answer',
    sentence: 'The connection was closed before an answer came. Please try again.',
    panel: true,
  }),
  unfit: (status: number): Page => ({ status, ...(unfit[status] ?? malformed) }),
}

const malformed = { title: 'Bad request', sentence: 'This request cannot be understood.' }
const unfit: Readonly<Record<number, { readonly title: string; readonly sentence: string }>> = {
  408: { title: 'Request timeout', sentence: 'The request did not come in time.' },
  414: { title: 'Address too long', sentence: 'The address of this request is longer than 16 KiB.' },
  431: { title: 'Too many headers', sentence: 'The headers of this request are too many or too long.' },
  501: {
    title: 'Not implemented',
    sentence: 'CONNECT and transfer encodings other than chunked are not known.',
  },
  505: { title: 'Version not supported', sentence: 'Only HTTP/1.1 and HTTP/1.0 are spoken here.' },
}

/** HTML for browsers, problem+json for programs that speak the API, plain text for everybody else. */
export function pageForm(page: Page, path: string, accept: string | undefined): PageForm {
  if (page.panel && /^\/api(?:[/?]|$)/.test(path)) return 'problem'
  return accept !== undefined && /\btext\/html\b|\bapplication\/xhtml\+xml\b/i.test(accept) ? 'html' : 'text'
}

export function renderPage(page: Page, form: PageForm, requestId: string | null): Answer {
  const { type, body } = forms[form](page)
  const headers = [
    ...['Content-Type', type, 'Content-Length', String(Buffer.byteLength(body)), 'Cache-Control', 'no-store'],
    ...['X-Content-Type-Options', 'nosniff', 'Referrer-Policy', 'no-referrer'],
  ]
  // A page of the project's own may load what it wants, as every page of its app.
  if (body !== page.html) headers.push('Content-Security-Policy', contentSecurityPolicy)
  if (page.location !== undefined) headers.push('Location', page.location)
  if (page.retryAfter !== undefined) headers.push('Retry-After', String(page.retryAfter))
  if (requestId !== null) headers.push('X-Request-Id', requestId)
  return { status: page.status, reason: reasons[page.status] ?? 'Error', headers, body }
}

/** An answer as it goes over the wire. `connection`: lines that say what becomes of the connection. */
export function rawAnswer(
  { status, reason, headers, body }: Answer,
  connection: string,
  bodiless = false,
): Buffer {
  let head = `HTTP/1.1 ${status} ${reason}\r\n`
  for (let n = 0; n + 1 < headers.length; n += 2) head += `${headers[n]}: ${headers[n + 1]}\r\n`
  const bytes = Buffer.from(`${head}${connection}\r\n`, 'latin1')
  return bodiless ? bytes : Buffer.concat([bytes, Buffer.from(body)])
}

const reasons: Readonly<Record<number, string>> = {
  308: 'Permanent Redirect',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
}

const codes: Readonly<Record<number, string>> = { 404: 'not_found' }

const forms: Readonly<Record<PageForm, (page: Page) => { type: string; body: string }>> = {
  html: (page) => ({ type: 'text/html; charset=utf-8', body: page.html ?? html(page) }),
  text: (page) => ({ type: 'text/plain; charset=utf-8', body: `${page.title}\n${page.sentence}\n` }),
  problem: (page) => ({
    type: 'application/problem+json',
    body: JSON.stringify({
      type: 'about:blank',
      title: page.title,
      status: page.status,
      detail: page.sentence,
      code: codes[page.status] ?? (page.status < 500 ? 'malformed' : 'unavailable'),
    }),
  }),
}

const style = [
  ':root{color-scheme:light dark;--ink:#1d2733;--soft:#5c6875;--paper:#f6f7f9;--card:#fff;--line:#e1e5ea}',
  '@media(prefers-color-scheme:dark){:root{--ink:#e6eaef;--soft:#9aa6b2;--paper:#12171d;--card:#1a2129;--line:#2b343f}}',
  'body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink);',
  'font:16px/1.55 system-ui,sans-serif}',
  'main{box-sizing:border-box;width:min(30rem,calc(100% - 2rem));padding:2rem;background:var(--card);',
  'border:1px solid var(--line);border-radius:12px}',
  'h1{margin:0 0 .5rem;font-size:1.35rem;line-height:1.3;overflow-wrap:anywhere}',
  'p{margin:0;color:var(--soft);overflow-wrap:anywhere}small{display:block;margin-bottom:1rem;color:var(--soft)}',
].join('')

/** A test keeps this hash equal to the style: hashing at run time would load node:crypto for 1 MB. */
const styleHash = 'sha256-mbyxZR8KRod/8mGA1cyiLOxPke+n/65zUoqBK+jZArc='

const contentSecurityPolicy = `default-src 'none'; style-src '${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

function html(page: Page): string {
  // A page that is back in a second should come by itself.
  const refresh =
    page.retryAfter === undefined ? '' : `<meta http-equiv="refresh" content="${page.retryAfter + 1}">`
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    `${refresh}<title>${escaped(page.title)}</title><style>${style}</style></head>`,
    `<body><main><small>${page.status} ${reasons[page.status] ?? ''}</small>`,
    `<h1>${escaped(page.title)}</h1><p>${escaped(page.sentence)}</p></main></body></html>\n`,
  ].join('')
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
