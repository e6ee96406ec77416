import { Hono } from 'hono'
import type { Env } from '../services.ts'

/** What browsers ask for on their own. */
export function plainPages(): Hono<Env> {
  const pages = new Hono<Env>()
  pages.get('/favicon.ico', (c) => c.body(null, 204))
  return pages
}
