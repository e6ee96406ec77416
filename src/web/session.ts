import type { Context, MiddlewareHandler } from 'hono'
import { sign, verify } from 'hono/jwt'
import { z } from 'zod'
import type { Actor } from '../engine/domain/access.ts'
import { clientAddress } from '../engine/domain/address.ts'
import { whoOf } from '../engine/domain/audit.ts'
import { readCredentials } from '../engine/domain/credentials.ts'
import { Refusal } from '../engine/domain/refusal.ts'
import type { Env, Services } from './services.ts'

const claims = z.object({ sub: z.string(), sid: z.string(), iat: z.number(), exp: z.number() })

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

/** Every API route but sign-in and set-up needs an actor. */
export function requireActor(services: Services): MiddlewareHandler<Env> {
  return async (c, next) => {
    const actor = await bearer(services, c.req.header('authorization'))
    if (!actor) {
      throw new Refusal('unauthorized', 'a valid bearer token is needed', {
        hint: 'POST /api/auth/login gives one',
      })
    }
    c.set('actor', actor)
    c.set('who', whoOf(actor, addressOf(c)))
    await next()
  }
}

/** The plain pages ask by HTTP Basic, which every browser can do. */
export function requireBasic(services: Services): MiddlewareHandler<Env> {
  return async (c, next) => {
    const credentials = readCredentials(c.req.header('authorization'))
    const actor = credentials && (await services.accounts.basic({ ...credentials, address: addressOf(c) }))
    if (!actor) {
      return c.text('Sign in with your NodePilot user name and password.\n', 401, {
        'www-authenticate': 'Basic realm="NodePilot", charset="UTF-8"',
      })
    }
    c.set('actor', actor)
    c.set('who', whoOf(actor, addressOf(c)))
    return next()
  }
}

/** The address that sign-in is throttled by. */
export function addressOf(c: Context<Env>): string {
  return clientAddress(c.req.header('x-forwarded-for'))
}

async function bearer(services: Services, header: string | undefined): Promise<Actor | null> {
  const secret = /^Bearer +([^\s]+) *$/i.exec(header ?? '')?.[1]
  if (!secret) return null
  if (secret.startsWith('np_')) return services.accounts.token(secret)
  try {
    const { sid, sub } = claims.parse(await verify(secret, services.jwtKey, 'HS256'))
    const actor = services.accounts.session(sid)
    return actor && String(actor.userId) === sub ? actor : null
  } catch {
    return null
  }
}
