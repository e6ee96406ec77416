import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { asRefusal, Refusal, type RefusalCode } from '../engine/domain/refusal.ts'
import { DeploymentFailed } from '../engine/use-cases/deployment-failed.ts'
import { presentDeployment } from './present.ts'
import { refusalPage, wantsPage } from './refusal-page.ts'
import type { Env, Services } from './services.ts'

/** RFC 9457. `type` names the code; `detail` is the sentence for people. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly hint?: string
  readonly errors?: readonly { readonly field: string; readonly message: string }[]
}

const statusOf: Partial<Record<RefusalCode, number>> = {
  malformed: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  gone: 410,
  too_large: 413,
  unsupported_media_type: 415,
  too_many_requests: 429,
  internal: 500,
  unavailable: 503,
  disk_full: 507,
}

const titles: Readonly<Record<number, string>> = {
  400: 'Malformed request',
  401: 'Sign-in required',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  410: 'Gone',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Not possible',
  429: 'Too many requests',
  500: 'Internal error',
  503: 'Unavailable',
  507: 'Disk full',
}

export function statusFor(refusal: Refusal): number {
  return statusOf[refusal.code] ?? 422
}

export function problemOf(refusal: Refusal, status = statusFor(refusal)): Problem {
  return {
    type: `urn:nodepilot:problem:${refusal.code}`,
    title: titles[status] ?? 'Refused',
    status,
    detail: refusal.message,
    code: refusal.code,
    ...(refusal.hint ? { hint: refusal.hint } : {}),
    ...(refusal.fields.length > 0 ? { errors: refusal.fields } : {}),
  }
}

/** Answers every error of the API: refusals by their code, failed deployments with the deployment, all else 500. */
export function createErrorHandler(services: Services) {
  return async (error: Error, c: Context<Env>): Promise<Response> => {
    if (error instanceof DeploymentFailed) return deploymentProblem(services, error)
    if (error instanceof HTTPException && error.status < 500) {
      return answer(c, new Refusal('malformed', error.message), error.status)
    }
    const known = asRefusal(error)
    if (known.code !== 'internal') return answer(c, known)
    const id = c.get('requestId') ?? 'unknown'
    services.report.error(`request ${id}: ${c.req.method} ${c.req.path}`, error)
    return answer(
      c,
      new Refusal('internal', 'internal error', { hint: `the server's log knows it as request ${id}` }),
    )
  }
}

function answer(c: Context<Env>, refusal: Refusal, status = statusFor(refusal)): Response {
  return wantsPage(c) ? refusalPage(c, refusal, status) : problem(refusal, status)
}

/** A problem document as a response, with the headers its status asks for. */
export function problem(refusal: Refusal, status = statusFor(refusal), extra: object = {}): Response {
  const headers = new Headers({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
  if (refusal.retryAfter !== undefined) headers.set('retry-after', String(refusal.retryAfter))
  if (status === 401) headers.set('www-authenticate', 'Bearer realm="NodePilot"')
  return new Response(JSON.stringify({ ...problemOf(refusal, status), ...extra }), { status, headers })
}

async function deploymentProblem(services: Services, error: DeploymentFailed): Promise<Response> {
  const project = services.engine.projects.find(error.projectId)
  const deployment = project && presentDeployment(services.engine.deployments.find(project, error.number))
  const status = statusFor(error.refusal)
  return problem(error.refusal, status === 500 || status === 507 || status === 413 ? status : 422, {
    deployment,
  })
}

/** For an address that exists, asked by a method that it does not know (RFC 9110, 15.5.6). */
export function methodNotAllowed(allowed: readonly string[]): Response {
  const names = allowed.join(', ')
  const answer = problem(new Refusal('malformed', `this address answers ${names}`), 405)
  answer.headers.set('allow', names)
  return answer
}

/** For addresses that do not exist. */
export function notFound(c: Context<Env>): Response {
  return answer(
    c,
    new Refusal('not_found', 'there is nothing at this address', {
      hint: wantsPage(c)
        ? 'it may be mistyped, or what it named is gone'
        : 'see the list of calls in README.md',
    }),
  )
}
