import { z } from 'zod'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { parse } from '../input.ts'
import { paths } from '../paths.ts'
import { presentUser } from '../present.ts'
import type { Services } from '../services.ts'
import { addressOf } from '../session.ts'
import * as queries from './queries.ts'
import * as schemas from './schemas.ts'
import * as shapes from './shapes.ts'
import { userRow } from './shapes-accounts.ts'

const tag = 'Users'
const answers = { 200: { description: 'the user', schema: z.strictObject({ user: userRow }) } }
const numberIn = (text: string | undefined) => parse(queries.rowNumber, text)

/** The users of this server. Only admins who are signed in change them, tokens never do. */
export function usersApi({ accounts: { users } }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: paths.api.users,
      tag,
      summary: 'All users',
      access: 'server.read',
      answers: { 200: { description: 'by name', schema: z.strictObject({ users: z.array(userRow) }) } },
      handler: ({ c }) => c.json({ users: users.list().map(presentUser) }),
    }),
    endpoint({
      method: 'post',
      path: paths.api.users,
      tag,
      summary: 'Add a user',
      access: 'users.manage',
      body: schemas.createUser,
      example: { body: { username: 'ana', password: 'correct horse battery', role: 'member' } },
      answers: {
        201: { description: 'added', schema: z.strictObject({ user: userRow }) },
        409: { description: 'the name is taken, in whatever case', schema: shapes.problem },
      },
      handler: async ({ c, actor, body }) =>
        c.json({ user: presentUser(await users.create(actor, body, addressOf(c))) }, 201),
    }),
    endpoint({
      method: 'patch',
      path: paths.api.user,
      tag,
      summary: 'Change the role, or set a new password',
      description: 'A new password ends all sessions of the user; tokens stay. The last admin stays one.',
      access: 'users.manage',
      body: schemas.changeUser,
      example: { body: { role: 'admin' } },
      answers: { ...answers, 409: { description: 'the last admin', schema: shapes.problem } },
      handler: async ({ c, actor, body }) =>
        c.json({
          user: presentUser(await users.change(actor, numberIn(c.req.param('user')), body, addressOf(c))),
        }),
    }),
    endpoint({
      method: 'delete',
      path: paths.api.user,
      tag,
      summary: 'Remove a user with all sessions and tokens',
      description:
        'Projects run on: those that nobody else owns are handed to the admin who removes the user.',
      access: 'users.manage',
      answers: {
        204: { description: 'removed' },
        409: { description: 'the last admin', schema: shapes.problem },
      },
      handler({ c, actor }) {
        users.remove(actor, numberIn(c.req.param('user')), addressOf(c))
        return c.body(null, 204)
      },
    }),
  ]
}
