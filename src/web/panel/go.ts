import type { Context } from 'hono'
import { isFragmentRequest } from '../render.ts'
import type { Env } from '../services.ts'

/** On to another page, after a form or a poll: for htmx and for a plain browser alike. */
export function go(c: Context<Env>, path: string): Response {
  if (!isFragmentRequest(c)) return c.redirect(path, 303)
  c.header('hx-redirect', path)
  return c.body(null, 204)
}
