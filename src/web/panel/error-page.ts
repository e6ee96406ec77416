import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Problem } from '../errors.ts'
import { fragment, isFragmentRequest, page } from '../render.ts'
import type { Env } from '../services.ts'

/** A problem as a page for people with a browser; programs get the document as it is. */
export async function asPage(c: Context<Env>, answer: Response): Promise<Response> {
  if (!wantsPage(c) || !answer.headers.get('content-type')?.startsWith('application/problem+json'))
    return answer
  const problem = (await answer.json()) as Problem
  const retryAfter = answer.headers.get('retry-after')
  if (retryAfter !== null) c.header('retry-after', retryAfter)
  const status = problem.status as ContentfulStatusCode
  if (isFragmentRequest(c)) {
    const said = { sentence: problem.detail, hint: problem.hint }
    return fragment(c, 'partials/form-problem', { problem: said }, status)
  }
  return page(c, 'error', { title: problem.title, problem }, status)
}

function wantsPage(c: Context<Env>): boolean {
  if (/^\/(api|git|assets)\//.test(c.req.path)) return false
  return isFragmentRequest(c) || /\btext\/html\b/.test(c.req.header('accept') ?? '')
}
