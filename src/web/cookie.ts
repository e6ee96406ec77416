import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { parse } from 'hono/utils/cookie'
import type { Env } from './services.ts'

/** A request's headers by name, of Hono's or Node's making. */
export type HeaderOf = (name: string) => string | undefined

/**
 * Over https the name begins with `__Host-`: then no project on a subdomain can set it (RFC 6265bis 4.1.3.2).
 * Plain http, on one's own machine, has no such cookies. The front door writes X-Forwarded-Proto anew.
 */
export function cookieName(header: HeaderOf): string {
  return isHttps(header) ? '__Host-nodepilot' : 'nodepilot'
}

export function isHttps(header: HeaderOf): boolean {
  return header('x-forwarded-proto') === 'https'
}

export function readSessionCookie(header: HeaderOf): string | undefined {
  const name = cookieName(header)
  return parse(header('cookie') ?? '', name)[name]
}

export function setSessionCookie(c: Context<Env>, token: string, expiresAt: Date): void {
  const header = (name: string) => c.req.header(name)
  setCookie(c, cookieName(header), token, { ...flags(header), expires: expiresAt })
}

export function clearSessionCookie(c: Context<Env>): void {
  const header = (name: string) => c.req.header(name)
  if (getCookie(c, cookieName(header)) !== undefined) deleteCookie(c, cookieName(header), flags(header))
}

function flags(header: HeaderOf) {
  return { path: '/', httpOnly: true, secure: isHttps(header), sameSite: 'Lax' } as const
}
