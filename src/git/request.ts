import type { IncomingMessage, ServerResponse } from 'node:http'
import { isRefusal } from '../engine/domain/refusal.ts'
import type { ExchangeEnd } from './exchange.ts'
import type { IdleTimer } from './idle-timer.ts'
import { answer, internalError, neverCache, type Reply, replyTo } from './reply.ts'
import type { GitRoute } from './route.ts'
import type { ServiceRequest } from './service.ts'

/** A request whose sender is known and allowed. */
export interface GitRequest<Actor> {
  /** Stands in the log, and in what people see of an internal error. */
  readonly id: string
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly idle: IdleTimer
  readonly route: GitRoute
  readonly actor: Actor
  /** Absolute path of the bare repository. */
  readonly directory: string
}

export type GitLog = (message: string, facts: Readonly<Record<string, unknown>>) => void

export interface ServeSettings {
  readonly gitEnvironment: Readonly<Record<string, string>>
  /** Absolute path of the folder with `pre-receive` and `post-receive`. */
  readonly hooksDirectory: string
  readonly limits: {
    /** Bytes of one push. */
    readonly maxPackBytes: number
    /** How long a request may stand still, ms. */
    readonly idleTimeoutMs: number
  }
  readonly log: GitLog
}

/** Bytes. Clients send more than this in chunks, without a length. */
const largePush = 1_000_000

/** What git needs to know of a request. */
export function serviceRequest(settings: ServeSettings, request: GitRequest<unknown>): ServiceRequest {
  const protocol = request.req.headers['git-protocol']
  return {
    service: request.route.service,
    advertise: request.route.advertise,
    directory: request.directory,
    protocol: typeof protocol === 'string' ? protocol : undefined,
    hooksDirectory: settings.hooksDirectory,
    maxPackBytes: settings.limits.maxPackBytes,
    keepPack: !(Number(request.req.headers['content-length']) < largePush),
    environment: settings.gitEnvironment,
  }
}

/** Ends the answer of a request whose git has ended. */
export function conclude(settings: ServeSettings, request: GitRequest<unknown>, end: ExchangeEnd): void {
  const { req, res, id, route } = request
  if (end.left || res.destroyed) {
    res.destroy()
    return
  }
  const facts = {
    request: id,
    project: route.name,
    service: route.service,
    code: end.code,
    stderr: end.stderr,
  }
  if (end.failure !== undefined) {
    fail(settings, request, end.failure)
    return
  }
  if (end.code !== 0) settings.log('git failed', facts)
  if (res.headersSent) {
    // Cut off rather than ended: half an answer must not look whole.
    if (end.code === null) res.destroy()
    else res.end()
  } else if (end.code === 0) answerEmpty(request)
  else answer(req, res, route.service === 'upload-pack' && !route.advertise ? unreadable : internalError(id))
}

/** Answers with what went wrong: a refusal by its code, anything else as an internal error with an id. */
export function fail(
  settings: Pick<ServeSettings, 'log'>,
  request: Pick<GitRequest<unknown>, 'id' | 'req' | 'res'>,
  error: unknown,
): void {
  const reply = replyTo(error)
  if (!reply) {
    const facts = isRefusal(error) ? { code: error.code, cause: error.cause } : {}
    settings.log('a git request failed', { request: request.id, error, ...facts })
  }
  answer(request.req, request.res, reply ?? internalError(request.id))
}

const unreadable: Reply = { status: 400, code: 'malformed', sentence: 'git cannot read this request' }

/** Git has nothing to say to the probe that clients send before a long upload. */
function answerEmpty({ req, res, route }: GitRequest<unknown>) {
  const head = { 'Content-Type': `application/x-git-${route.service}-result`, 'Content-Length': 0 }
  res.writeHead(200, { ...neverCache, ...head })
  res.end()
  req.resume()
}
