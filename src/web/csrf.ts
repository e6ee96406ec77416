import type { Context, MiddlewareHandler } from 'hono'
import { Refusal } from '../engine/domain/refusal.ts'
import { type HeaderOf, isHttps } from './cookie.ts'
import type { Env, Services } from './services.ts'

const safe: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Nobody's page may act with somebody's cookie: whatever changes something must come from a page of our own,
 * whatever its content type. Calls of the API that bring their own credentials are exempt: beside `Authorization`
 * a cookie does not count there (session.ts). At the pages it does, and a browser adds `Authorization` by itself
 * where it was asked for a password once.
 * Without a cookie a browser is held to the same, so that no foreign page signs anybody in.
 */
export function refuseForeign(services: Services): MiddlewareHandler<Env> {
  return async (c, next) => {
    const header = (name: string) => c.req.header(name)
    if (!safe.has(c.req.method) && !bringsCredentials(c) && !isOwn(services, header)) {
      throw new Refusal('forbidden', 'this request comes from another site', {
        hint: 'open the panel itself and try again there',
      })
    }
    await next()
  }
}

function bringsCredentials({ req }: Context<Env>): boolean {
  return req.header('authorization') !== undefined && req.path.startsWith('/api/')
}

/** Does a page of ours ask? */
function isOwn(services: Services, header: HeaderOf): boolean {
  const site = header('sec-fetch-site')
  if (site !== undefined) return site === 'same-origin'
  const origin = header('origin')
  if (origin !== undefined)
    return origin === ownOrigin(header) || origin === new URL(services.addresses.panel()).origin
  // neither: no browser of today; without a cookie there is nothing to misuse
  return header('cookie') === undefined
}

/** A browser sends Sec-Fetch-Site to trustworthy addresses only; at http://192.0.2.1:3000 the Origin must do. */
function ownOrigin(header: HeaderOf): string {
  return `${isHttps(header) ? 'https' : 'http'}://${header('host') ?? ''}`
}
