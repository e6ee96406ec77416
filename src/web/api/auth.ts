import { z } from 'zod'
import { clearSessionCookie } from '../cookie.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { parse } from '../input.ts'
import { paths } from '../paths.ts'
import { presentSession, presentToken } from '../present.ts'
import type { Services } from '../services.ts'
import { addressOf, sessionOf, signSession } from '../session.ts'
import * as queries from './queries.ts'
import * as schemas from './schemas.ts'
import * as shapes from './shapes.ts'
import { sessionRow } from './shapes-accounts.ts'

const tag = 'Accounts'

/** Set-up, sign-in, passwords and tokens. */
export function authApi(services: Services): readonly Endpoint[] {
  return [...signInApi(services), ...sessionsApi(services), ...tokensApi(services)]
}

function signInApi({ accounts, jwtKey }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: paths.api.setup,
      tag,
      summary: 'Create the first user with the one-time code',
      access: 'anyone',
      body: schemas.setUp,
      answers: { 201: { description: 'the admin', schema: shapes.userAnswer } },
      async handler({ c, body }) {
        const { id, username, role } = await accounts.setUp({ ...body, address: addressOf(c) })
        return c.json({ user: { id, username, role } }, 201)
      },
    }),
    endpoint({
      method: 'post',
      path: paths.api.login,
      tag,
      summary: 'Sign in and get a session token',
      access: 'anyone',
      body: schemas.login,
      example: { body: { username: 'admin', password: 'correct horse battery' } },
      answers: {
        200: {
          description: 'a session; send its token as a bearer token',
          schema: shapes.session,
        },
      },
      async handler({ c, body }) {
        const begun = await accounts.login({
          ...body,
          address: addressOf(c),
          userAgent: c.req.header('user-agent'),
        })
        const token = await signSession(jwtKey, sessionOf(begun), Date.now())
        const { id, username, role } = begun.user
        return c.json({ token, expiresAt: begun.expiresAt.toISOString(), user: { id, username, role } })
      },
    }),
    endpoint({
      method: 'get',
      path: paths.api.verify,
      tag,
      summary: 'Who is signed in',
      access: 'signed-in',
      answers: { 200: { description: 'the user', schema: shapes.userAnswer } },
      handler({ c, actor }) {
        const { userId: id, username, role } = actor
        return c.json({ user: { id, username, role } })
      },
    }),
    endpoint({
      method: 'post',
      path: paths.api.logout,
      tag,
      summary: 'End this session',
      access: 'signed-in',
      answers: { 204: { description: 'it has ended' } },
      handler({ c, actor }) {
        accounts.logout(actor, addressOf(c))
        clearSessionCookie(c)
        return c.body(null, 204)
      },
    }),
    endpoint({
      method: 'post',
      path: paths.api.changePassword,
      tag,
      summary: 'Change the password; every other session ends',
      access: 'account.manage',
      body: schemas.changePassword,
      answers: { 204: { description: 'it is changed' } },
      async handler({ c, actor, body }) {
        await accounts.changePassword(actor, body.currentPassword, body.newPassword, addressOf(c))
        return c.body(null, 204)
      },
    }),
  ]
}

function sessionsApi({ accounts }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: paths.api.sessions,
      tag,
      summary: 'Where you are signed in',
      access: 'account.read',
      answers: {
        200: { description: 'newest first', schema: z.strictObject({ sessions: z.array(sessionRow) }) },
      },
      handler: ({ c, actor }) =>
        c.json({ sessions: accounts.sessions(actor).map((one) => presentSession(one, actor)) }),
    }),
    endpoint({
      method: 'delete',
      path: paths.api.session,
      tag,
      summary: 'End a session of yours',
      access: 'account.manage',
      answers: { 204: { description: 'it is signed out' } },
      handler({ c, actor }) {
        accounts.endSession(actor, parse(queries.rowNumber, c.req.param('session')), addressOf(c))
        return c.body(null, 204)
      },
    }),
  ]
}

function tokensApi({ accounts, engine }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: paths.api.tokens,
      tag,
      summary: 'Your tokens, without their secrets',
      description: 'With `?all=1` those of everybody, for admins.',
      access: 'account.read',
      query: queries.tokensQuery,
      answers: {
        200: { description: 'the tokens', schema: z.strictObject({ tokens: z.array(shapes.token) }) },
      },
      handler({ c, actor, query }) {
        const all = query.all === '1'
        if (all) engine.access.authorize(actor, 'server.read', null)
        return c.json({ tokens: (all ? accounts.allTokens() : accounts.tokens(actor)).map(presentToken) })
      },
    }),
    endpoint({
      method: 'post',
      path: paths.api.tokens,
      tag,
      summary: 'Make a token; its secret is shown in this answer only',
      access: 'account.manage',
      body: schemas.createToken,
      example: { body: { name: 'ci', scope: 'push', project: 'shop', expiresInDays: 90 } },
      answers: {
        201: {
          description: 'the token',
          schema: shapes.token.omit({ createdAt: true, lastUsedAt: true }).extend({ token: z.string() }),
        },
      },
      handler({ c, actor, body: { name, scope, project, expiresInDays } }) {
        const only = project === undefined || project === null ? null : engine.projects.get(project)
        if (only) engine.access.authorize(actor, 'project.read', only)
        const projectId = only?.id ?? null
        const wanted = { name, scope, projectId, expiresInDays: expiresInDays ?? null }
        const made = accounts.createToken(actor, wanted, addressOf(c))
        return c.json({ ...made, name, scope, project: projectId, user: actor.username }, 201)
      },
    }),
    endpoint({
      method: 'delete',
      path: paths.api.token,
      tag,
      summary: "Revoke a token of yours; an admin revokes anybody's",
      access: 'account.manage',
      answers: { 204: { description: 'it is worthless from now on' } },
      handler({ c, actor }) {
        accounts.removeToken(actor, parse(queries.deploymentNumber, c.req.param('token')), addressOf(c))
        return c.body(null, 204)
      },
    }),
  ]
}
