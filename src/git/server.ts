import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { readCredentials } from '../engine/domain/credentials.ts'
import { ClientLeft } from './body.ts'
import { serveAdvertisement, serveFetch } from './fetch.ts'
import { IdleTimer } from './idle-timer.ts'
import { type Receiver, servePush } from './push.ts'
import { Quarantines } from './quarantine.ts'
import { answer, signInFirst } from './reply.ts'
import { fail, type GitRequest, type ServeSettings } from './request.ts'
import { readRoute } from './route.ts'

/** Who may do what. */
export interface GitAccess<Actor> {
  /**
   * Null for wrong credentials. May refuse with `too_many_requests`, whose `retryAfter` says how long to wait
   * (30 s where it does not).
   */
  authenticate(request: {
    readonly username: string
    readonly password: string
    readonly address: string
  }): Promise<Actor | null>
  /**
   * Where the repository is. Refuses with `forbidden` or `not_found`; for a push it may create the project
   * and its repository. The name is a valid project name.
   */
  authorize(
    actor: Actor,
    name: string,
    action: 'fetch' | 'push',
    /** Only what there is is asked for (`info/refs`): nothing may be created yet. */
    advertise: boolean,
  ): Promise<{ readonly directory: string }>
}

export interface GitServerDeps<Actor> extends ServeSettings {
  readonly access: GitAccess<Actor>
  readonly receiver: Receiver<Actor>
  /** Where the request comes from: only its owner knows which proxies to believe. */
  readonly clientAddress: (req: IncomingMessage) => string
}

export interface GitServer {
  /** Answers one request whose path begins with `/git/`. Never throws. */
  handle(req: IncomingMessage, res: ServerResponse): void
}

/**
 * Git over smart HTTP, by the git binary. The owner of the node:http server must set `requestTimeout` to 0
 * (it would end long uploads after five minutes; idle ones end here) and should keep `headersTimeout`.
 */
export function createGitServer<Actor>(deps: GitServerDeps<Actor>): GitServer {
  const quarantines = new Quarantines()
  return {
    handle(req, res) {
      const id = randomBytes(6).toString('hex')
      // An aborted request is told by its 'close'; without listeners the error would end the process.
      req.on('error', () => {})
      res.on('error', () => {})
      serve(deps, quarantines, { id, req, res }).catch((error: unknown) => {
        if (error instanceof ClientLeft) res.destroy()
        else fail(deps, { id, req, res }, error)
      })
    },
  }
}

type Arrival = Pick<GitRequest<unknown>, 'id' | 'req' | 'res'>

/** Nothing is told and nothing is started before the sender is known. */
async function serve<Actor>(deps: GitServerDeps<Actor>, quarantines: Quarantines, arrival: Arrival) {
  const { req, res } = arrival
  const actor = await authenticate(deps, req)
  if (actor === null) return answer(req, res, signInFirst)
  const { 'content-type': type, 'content-encoding': encoding } = req.headers
  const route = readRoute(req.method ?? '', req.url ?? '', type, encoding)
  if ('status' in route) return answer(req, res, route)
  const action = route.service === 'receive-pack' ? 'push' : 'fetch'
  const { directory } = await deps.access.authorize(actor, route.name, action, route.advertise)
  if (res.destroyed) return
  const idle = startIdleTimer(deps, arrival, route.name)
  const request = { ...arrival, idle, route, actor, directory }
  try {
    if (route.advertise) await serveAdvertisement(deps, request)
    else if (route.service === 'upload-pack') await serveFetch(deps, request)
    else await servePush(deps, deps.receiver, quarantines, request)
  } finally {
    idle.stop()
  }
}

async function authenticate<Actor>(deps: GitServerDeps<Actor>, req: IncomingMessage): Promise<Actor | null> {
  const credentials = readCredentials(req.headers.authorization)
  if (!credentials) return null
  return deps.access.authenticate({ ...credentials, address: deps.clientAddress(req) })
}

/** Closing the connection ends everything else: body, git and hooks. */
function startIdleTimer(deps: ServeSettings, { id, req, res }: Arrival, project: string): IdleTimer {
  return new IdleTimer(deps.limits.idleTimeoutMs, () => {
    deps.log('a git request stood still', { request: id, project })
    req.destroy()
    res.destroy()
  })
}
