import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'

export interface Question {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** An object is sent as JSON, a FormData as multipart; bytes and strings as they are. */
  readonly body?: object | string | Uint8Array | FormData
  /** The Host header (and the server name for TLS) where it is not the address's own. */
  readonly host?: string
  /** PEM of the only certificate authority to trust, for https. */
  readonly ca?: string
  readonly timeoutMs?: number
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body parsed. Throws when it is no JSON; the caller names the shape it relies on. */
  json<T = Record<string, unknown>>(): T
}

/** One request on a connection of its own, any status is an answer. */
export async function ask(base: string, path: string, question: Question = {}): Promise<Answer> {
  const url = new URL(path, base)
  const { payload, type } = await encode(question.body)
  const timeoutMs = question.timeoutMs ?? 60_000
  const headers: Record<string, string | number> = { ...question.headers }
  if (type && !('content-type' in headers)) headers['content-type'] = type
  if (payload) headers['content-length'] = payload.byteLength
  if (question.host) headers.host = question.host
  const secure = url.protocol === 'https:'
  const options = {
    host: secure && question.host ? '127.0.0.1' : url.hostname,
    port: url.port,
    path: url.pathname + url.search,
    method: question.method ?? 'GET',
    headers,
    agent: false as const,
    ...(secure && { servername: hostname(question.host) ?? url.hostname, ca: question.ca }),
  }
  return new Promise((resolve, reject) => {
    const request = (secure ? httpsRequest : httpRequest)(options, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(parts).toString()
        const status = response.statusCode ?? 0
        resolve({ status, headers: response.headers, text, json: () => JSON.parse(text) })
      })
    })
    request.setTimeout(timeoutMs, () =>
      request.destroy(new Error(`no answer within ${timeoutMs} ms: ${options.method} ${url}`)),
    )
    request.on('error', reject)
    request.end(payload)
  })
}

async function encode(body: Question['body']): Promise<{ payload?: Uint8Array; type?: string }> {
  if (body === undefined) return {}
  if (typeof body === 'string') return { payload: Buffer.from(body) }
  if (body instanceof Uint8Array) return { payload: body }
  if (body instanceof FormData) {
    const response = new Response(body)
    const payload = new Uint8Array(await response.arrayBuffer())
    return { payload, type: response.headers.get('content-type') ?? 'multipart/form-data' }
  }
  return { payload: Buffer.from(JSON.stringify(body)), type: 'application/json' }
}

function hostname(host: string | undefined): string | undefined {
  return host?.replace(/:\d+$/, '')
}
