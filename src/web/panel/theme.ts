import { Hono } from 'hono'
import { setCookie } from 'hono/cookie'
import { themeCookie } from '../render.ts'
import type { Env } from '../services.ts'
import { readForm } from './form.ts'
import { localPath } from './local-path.ts'

const year = 365 * 24 * 60 * 60

/** Light, dark, or as the system has it: kept in a cookie, so that a page is right from its first paint. */
export function themePages(): Hono<Env> {
  const pages = new Hono<Env>()
  pages.post('/theme', async (c) => {
    const { theme, next } = await readForm(c)
    const value = theme === 'light' || theme === 'dark' ? theme : 'auto'
    setCookie(c, themeCookie, value, { path: '/', maxAge: year, sameSite: 'Lax' })
    return c.redirect(localPath(next), 303)
  })
  return pages
}
