import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Refusal } from '../engine/domain/refusal.ts'
import { fragment, isFragmentRequest, page } from './render.ts'
import type { Env } from './services.ts'

/** People who came by a link or a form get a page; programs get a problem document. */
export function wantsPage(c: Context<Env>): boolean {
  return !c.req.path.startsWith('/api/') && /\btext\/html\b/i.test(c.req.header('accept') ?? '')
}

const titles: Readonly<Record<number, string>> = {
  403: 'Not allowed',
  404: 'Nothing here',
  500: 'Something went wrong',
  503: 'Not at the moment',
}

/** An expected "no", or a fault, as a page; for a request of htmx as a note inside the page that is there. */
export function refusalPage(c: Context<Env>, refusal: Refusal, status: number): Response {
  const code = status as ContentfulStatusCode
  const problem = { sentence: refusal.message, hint: refusal.hint ?? null }
  if (refusal.retryAfter !== undefined) c.header('retry-after', String(refusal.retryAfter))
  if (isFragmentRequest(c)) return fragment(c, 'partials/form-problem', { problem }, code)
  return page(c, 'refusal', { title: titles[status] ?? 'Not possible', problem, status }, code)
}
