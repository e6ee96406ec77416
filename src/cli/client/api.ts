import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { exit, Failure, interrupted } from './failure.ts'
import { nullable, object, read, text, withDefault } from './shape.ts'

/** A server's public API, and nothing else of it. */

export interface Question {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as it is, instead of `body`; `headers` say what it is. */
  readonly upload?: Readable
  /** The answer must begin within this time. Default: none, for a deployment takes as long as it takes. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** A status that is an answer too, and no failure. */
  readonly alsoGood?: number
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The parsed JSON; null for an empty answer. */
  readonly body: unknown
}

export interface Api {
  readonly server: string
  /** Any good answer, parsed. Throws a Failure with the server's own words for every other. */
  ask(method: string, address: string, question?: Question): Promise<Answer>
  get(address: string, query?: Question['query']): Promise<unknown>
  /** A good answer whose body is still to come. */
  open(method: string, address: string, question?: Question): Promise<IncomingMessage>
}

export interface ApiOptions {
  /** An origin. */
  readonly server: string
  readonly token: string | null
  readonly signal: AbortSignal
  /** `nodepilot/1.2.3`. */
  readonly agent: string
}

/** An address of the API; what is put in is one segment, whatever it contains. */
export function address(parts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return parts.reduce((all, part, i) => `${all}${encodeURIComponent(values[i - 1] ?? '')}${part}`)
}

export function createApi(options: ApiOptions): Api {
  const open = async (method: string, where: string, question: Question = {}) => {
    const message = await send(options, method, where, question)
    const status = message.statusCode ?? 0
    if ((status >= 200 && status < 300) || status === question.alsoGood) return message
    throw problem(options.server, status, message.headers, await readBody(message).catch(() => ''))
  }
  const ask = async (method: string, where: string, question: Question = {}): Promise<Answer> => {
    const message = await open(method, where, question)
    const body = await readBody(message).catch((error: unknown) => {
      throw unreachable(options.server, error)
    })
    return { status: message.statusCode ?? 0, headers: message.headers, body: parseJson(body) }
  }
  return {
    server: options.server,
    open,
    ask,
    get: async (where, query) =>
      (await ask('GET', where, { ...(query && { query }), timeoutMs: 30_000 })).body,
  }
}

function send(api: ApiOptions, method: string, where: string, question: Question): Promise<IncomingMessage> {
  const url = new URL(where, api.server)
  for (const [key, value] of Object.entries(question.query ?? {})) {
    if (value !== undefined) url.searchParams.set(key, String(value))
  }
  const payload = question.body === undefined ? undefined : Buffer.from(JSON.stringify(question.body))
  const headers = {
    accept: 'application/json',
    'user-agent': api.agent,
    ...(api.token === null ? {} : { authorization: `Bearer ${api.token}` }),
    ...(payload && { 'content-type': 'application/json', 'content-length': payload.length }),
    ...question.headers,
  }
  const signal = question.signal ?? api.signal
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(interrupted())
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method,
      headers,
      agent: false,
      signal,
    })
    const late = (ms: number, what: string) =>
      setTimeout(() => request.destroy(new Error(`${what} within ${ms / 1000} s`)), ms)
    const timers = [late(15_000, 'no connection')]
    if (question.timeoutMs !== undefined) timers.push(late(question.timeoutMs, 'no answer'))
    const settle = () => timers.forEach(clearTimeout)
    request.once('socket', (socket) =>
      socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => clearTimeout(timers[0])),
    )
    request.once('response', (message) => {
      settle()
      resolve(message)
    })
    request.once('error', (error) => {
      settle()
      reject(signal.aborted ? interrupted() : unreachable(api.server, error))
    })
    // a server that refuses an upload answers before it has all of it: that answer counts, not our broken pipe
    if (question.upload) pipeline(question.upload, request).catch((error) => request.destroy(error as Error))
    else request.end(payload)
  })
}

async function readBody(message: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of message as AsyncIterable<Buffer>) {
    size += part.length
    if (size > 64_000_000) throw new Error('an answer of more than 64 MB')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function parseJson(body: string): unknown {
  if (body === '') return null
  try {
    return JSON.parse(body)
  } catch {
    throw new Failure(
      'unexpected_answer',
      'the server did not answer with JSON',
      'is it a NodePilot? try: nodepilot doctor',
    )
  }
}

const problemShape = object({
  detail: text,
  code: withDefault(text, 'failed'),
  hint: nullable(text),
})

/** What a refused call means for a person: the server's sentence, a next step, the exit code. */
export function problem(server: string, status: number, headers: IncomingHttpHeaders, body: string): Failure {
  const told = parseProblem(body)
  const wait = Number(headers['retry-after'])
  const hint = status === 401 ? `sign in: nodepilot login ${server}` : told?.hint
  const otherwise =
    wait > 0 ? `try again in ${wait} s` : (hints[status] ?? 'see the state of things: nodepilot doctor')
  return new Failure(
    told?.code ?? `http_${status}`,
    told?.detail ?? `the server answered ${status}`,
    hint ?? otherwise,
    exitCodes[status] ?? exit.failed,
  )
}

const exitCodes: Readonly<Record<number, number>> = {
  401: exit.notSignedIn,
  404: exit.notFound,
  409: exit.busy,
  429: exit.busy,
  502: exit.unreachable,
  503: exit.unreachable,
  504: exit.unreachable,
}

const hints: Readonly<Record<number, string>> = {
  403: 'see who you are: nodepilot whoami',
  404: 'see what there is: nodepilot projects',
  409: 'see what goes on: nodepilot deploys',
  413: 'leave made files out with .nodepilotignore, then: nodepilot deploy',
}

function parseProblem(body: string) {
  try {
    return read(problemShape, JSON.parse(body))
  } catch {
    return null
  }
}

function unreachable(server: string, error: unknown): Failure {
  const { code, message } = error as NodeJS.ErrnoException
  const reason =
    code === 'ENOTFOUND'
      ? 'there is no such name'
      : code === 'ECONNREFUSED'
        ? 'nothing listens there'
        : code === 'ECONNRESET' || code === 'EPIPE'
          ? 'the connection broke'
          : message || code || 'no connection'
  const hint = /CERT|SIGNED|TLS|SSL/i.test(code ?? '')
    ? 'give the authority of its certificate in NODE_EXTRA_CA_CERTS, then: nodepilot doctor'
    : `is the address right, and does the server run? nodepilot doctor --server ${server}`
  return new Failure('unreachable', `${server} does not answer: ${reason}`, hint, exit.unreachable)
}
