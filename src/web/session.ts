import type { Context, MiddlewareHandler } from 'hono'
import { sign } from 'hono/jwt'
import type { Actor } from '../engine/domain/access.ts'
import { clientAddress } from '../engine/domain/address.ts'
import { whoOf } from '../engine/domain/audit.ts'
import { Refusal } from '../engine/domain/refusal.ts'
import type { SignedIn } from '../engine/use-cases/sessions.ts'
import { type HeaderOf, readSessionCookie, setSessionCookie } from './cookie.ts'
import { paths } from './paths.ts'
import type { Env, Services } from './services.ts'

/** A session as a JWT: HS256 and nothing else, always with an end, and looked up by `sid` on every request. */
export function signSession(
  key: string,
  session: { userId: number; sessionId: string; expiresAt: Date },
  now: number,
) {
  const payload = {
    sub: String(session.userId),
    sid: session.sessionId,
    iat: Math.floor(now / 1000),
    exp: Math.floor(session.expiresAt.getTime() / 1000),
  }
  return sign(payload, key, 'HS256')
}

/** Every API route but sign-in and set-up needs an actor: by a bearer token, or by the cookie of the panel. */
export function requireActor(services: Services): MiddlewareHandler<Env> {
  return async (c, next) => {
    const actor = await authenticate(services, (name) => c.req.header(name))
    if (!actor) {
      throw new Refusal('unauthorized', 'a valid bearer token is needed', {
        hint: 'POST /api/auth/login gives one',
      })
    }
    remember(c, actor)
    await next()
  }
}

/** Every page of the panel needs the cookie of somebody who signed in; without it the way leads to the login. */
export function requireSession(services: Services): MiddlewareHandler<Env> {
  return async (c, next) => {
    const actor = await withCookie(services, (name) => c.req.header(name))
    if (!actor) return signInFirst(services, c)
    remember(c, actor)
    await next()
  }
}

/** Who asks; null when nobody who is known does. Where credentials are brought along, a cookie does not count. */
export async function authenticate(services: Services, header: HeaderOf): Promise<Actor | null> {
  const authorization = header('authorization')
  if (authorization === undefined) return withCookie(services, header)
  const secret = /^Bearer +([^\s]+) *$/i.exec(authorization)?.[1]
  if (!secret) return null
  return secret.startsWith('np_') ? services.accounts.token(secret) : withJwt(services, secret)
}

/** Signs the session that was begun and hands it to the browser. */
export async function handSession(services: Services, c: Context<Env>, begun: SignedIn): Promise<void> {
  setSessionCookie(c, await signSession(services.jwtKey, sessionOf(begun), Date.now()), begun.expiresAt)
}

export function sessionOf({ user, sessionId, expiresAt }: SignedIn) {
  return { userId: user.id, sessionId, expiresAt }
}

export async function withCookie(services: Services, header: HeaderOf): Promise<Actor | null> {
  const token = readSessionCookie(header)
  return token ? withJwt(services, token) : null
}

function remember(c: Context<Env>, actor: Actor): void {
  c.set('actor', actor)
  c.set('who', whoOf(actor, addressOf(c)))
}

/** A page goes to the login and comes back; a part of a page tells the script to do so (HX-Redirect). */
function signInFirst({ accounts }: Services, c: Context<Env>): Response {
  if (!accounts.hasUsers()) return c.redirect(paths.setup, 303)
  if (c.req.header('hx-request') === 'true') {
    const shown = c.req.header('hx-current-url') ?? ''
    const page = URL.canParse(shown) ? new URL(shown) : null
    return c.body(null, 401, { 'hx-redirect': loginAt(page ? page.pathname + page.search : paths.home) })
  }
  const { pathname, search } = new URL(c.req.url)
  return c.redirect(loginAt(c.req.method === 'GET' ? pathname + search : paths.home), 303)
}

function loginAt(next: string): string {
  return next === paths.home ? paths.login : `${paths.login}?next=${encodeURIComponent(next)}`
}

/** The address that sign-in is throttled by. */
export function addressOf(c: Context<Env>): string {
  return clientAddress(c.req.header('x-forwarded-for'))
}

async function withJwt(services: Services, token: string): Promise<Actor | null> {
  const claims = await services.proveToken(token)
  const actor = claims && services.accounts.session(claims.sid)
  return actor && String(actor.userId) === claims.sub ? actor : null
}
