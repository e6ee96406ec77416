import { Hono } from 'hono'
import { authorize } from '../../engine/domain/access.ts'
import { parse, readJson } from '../input.ts'
import { paths } from '../paths.ts'
import { presentToken } from '../present.ts'
import type { Env, Services } from '../services.ts'
import { addressOf, requireActor, signSession } from '../session.ts'
import * as schemas from './schemas.ts'

/** Set-up, sign-in, passwords and tokens. */
export function authApi(services: Services): Hono<Env> {
  const { accounts, engine } = services
  const api = new Hono<Env>()
  const signedIn = requireActor(services)

  api.post(paths.api.setup, async (c) => {
    const body = await readJson(c, schemas.setUp)
    const { id, username, role } = await accounts.setUp({
      ...body,
      address: addressOf(c),
    })
    return c.json({ user: { id, username, role } }, 201)
  })

  api.post(paths.api.login, async (c) => {
    const body = await readJson(c, schemas.login)
    const { user, sessionId, expiresAt } = await accounts.login({
      ...body,
      address: addressOf(c),
    })
    const token = await signSession(services.jwtKey, { userId: user.id, sessionId, expiresAt }, Date.now())
    const { id, username, role } = user
    return c.json({ token, expiresAt: expiresAt.toISOString(), user: { id, username, role } })
  })

  api.get(paths.api.verify, signedIn, (c) => {
    const { userId: id, username, role } = c.get('actor')
    return c.json({ user: { id, username, role } })
  })

  api.post(paths.api.logout, signedIn, (c) => {
    const { sessionId } = c.get('actor')
    if (sessionId) accounts.logout(sessionId)
    return c.body(null, 204)
  })

  api.post(paths.api.changePassword, signedIn, async (c) => {
    const actor = c.get('actor')
    authorize(actor, 'account.manage', null)
    const { currentPassword, newPassword } = await readJson(c, schemas.changePassword)
    await accounts.changePassword(actor, currentPassword, newPassword, addressOf(c))
    return c.body(null, 204)
  })

  api.get(paths.api.tokens, signedIn, (c) => {
    const actor = c.get('actor')
    authorize(actor, 'account.read', null)
    return c.json({ tokens: accounts.tokens(actor).map(presentToken) })
  })

  api.post(paths.api.tokens, signedIn, async (c) => {
    const actor = c.get('actor')
    authorize(actor, 'account.manage', null)
    const { name, scope, project, expiresInDays } = await readJson(c, schemas.createToken)
    const projectId = project === undefined || project === null ? null : engine.projects.get(project).id
    const made = accounts.createToken(actor, { name, scope, projectId, expiresInDays: expiresInDays ?? null })
    return c.json({ ...made, name, scope, project: projectId }, 201)
  })

  api.delete(paths.api.token, signedIn, (c) => {
    const actor = c.get('actor')
    authorize(actor, 'account.manage', null)
    accounts.removeToken(actor, parse(schemas.deploymentNumber, c.req.param('token')))
    return c.body(null, 204)
  })

  return api
}
