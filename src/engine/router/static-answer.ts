import type { IncomingMessage, ServerResponse } from 'node:http'
import { basename, dirname } from 'node:path'
import send from 'send'
import { type Page, pageForm, renderPage } from './pages.ts'
import type { Encoding, Found, Site, SiteFile } from './static-site.ts'

/** Answers a request with a file of a site: types, ETag, ranges, compressed twins. */
export async function answerWithFile(
  site: Site,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.setHeader('X-Content-Type-Options', 'nosniff')
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(request, response, notAllowed)
  const found = site.find(request.url ?? '/', wantsPage(request))
  if (found.kind === 'none') return refuse(request, response, found.status === 400 ? malformed : missing)
  if (found.kind === 'moved') return move(response, found.location)
  await sendFound(site, found, request, response)
}

const missing: Page = { status: 404, title: 'Not found', sentence: 'There is nothing at this address.' }
const malformed: Page = { status: 400, title: 'Bad request', sentence: 'This address cannot be understood.' }
const notAllowed: Page = { status: 405, title: 'Files only', sentence: 'Files can be read, nothing else.' }
const names: Readonly<Record<Encoding, string>> = { br: 'br', gz: 'gzip' }

async function sendFound(
  site: Site,
  { status, name, file }: Extract<Found, { kind: 'file' }>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const encoding = chooseEncoding(file, request)
  const twin = encoding && (await site.locateTwin(file, encoding))
  const real = twin ?? (await site.locate(name))
  if (real === null) return refuse(request, response, missing)
  response.statusCode = status
  response.setHeader('Content-Type', file.type)
  if (file.encodings.length > 0) response.setHeader('Vary', 'Accept-Encoding')
  if (encoding && twin) response.setHeader('Content-Encoding', names[encoding])
  // by content: an unchanged file stays fresh over releases and rollbacks, which times of change would not tell
  if (status === 200) response.setHeader('ETag', `"${file.hash}${twin ? `.${encoding}` : ''}"`)
  response.setHeader('Cache-Control', status === 200 ? 'public, max-age=0, must-revalidate' : 'no-store')
  const options = { dotfiles: 'allow', index: false, etag: false, lastModified: false } as const
  send(request, encodeURIComponent(basename(real)), {
    ...{ ...options, root: dirname(real), cacheControl: false, acceptRanges: status === 200 },
  })
    .on('error', (error: SendError) => fail(request, response, error))
    .pipe(response)
}

interface SendError extends Error {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** Ranges that do not fit, preconditions that do not hold, a file that is gone. */
function fail(
  request: IncomingMessage,
  response: ServerResponse,
  { status = 500, headers }: SendError,
): void {
  if (response.headersSent) return void response.destroy()
  for (const name of ['Content-Encoding', 'Content-Type', 'ETag', 'Cache-Control'])
    response.removeHeader(name)
  if (status === 404 || status >= 500) refuse(request, response, missing)
  else response.writeHead(status, { ...headers, 'Content-Length': '0' }).end()
}

/** A part of a file is a part of the plain one: two encodings of it have nothing in common. */
function chooseEncoding({ encodings }: SiteFile, { headers }: IncomingMessage): Encoding | null {
  if (encodings.length === 0 || headers.range !== undefined) return null
  const accepted = String(headers['accept-encoding'] ?? '')
  return encodings.find((encoding) => accepts(accepted, names[encoding])) ?? null
}

/** RFC 9110 12.5.3, as far as it matters here: named, or `*`, and not with weight 0. */
function accepts(header: string, name: string): boolean {
  const weights = new Map<string, number>()
  for (const part of header.toLowerCase().split(',')) {
    const [coding = '', ...parameters] = part.split(';').map((word) => word.trim())
    const q = parameters.find((word) => word.startsWith('q='))
    weights.set(coding, q === undefined ? 1 : Number(q.slice(2)))
  }
  return (weights.get(name) ?? weights.get('*') ?? 0) > 0
}

function wantsPage({ headers }: IncomingMessage): boolean {
  return /\btext\/html\b/i.test(headers.accept ?? '')
}

function move(response: ServerResponse, location: string): void {
  response.writeHead(301, { Location: location, 'Cache-Control': 'no-cache', 'Content-Length': '0' }).end()
}

function refuse(request: IncomingMessage, response: ServerResponse, page: Page): void {
  const { status, reason, headers, body } = renderPage(
    page,
    pageForm(page, request.url ?? '/', request.headers.accept),
    null,
  )
  if (status === 405) headers.push('Allow', 'GET, HEAD')
  response.removeHeader('X-Content-Type-Options')
  response.writeHead(status, reason, headers)
  response.end(request.method === 'HEAD' ? undefined : body)
}
