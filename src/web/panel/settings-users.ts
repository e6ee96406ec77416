import type { Context, MiddlewareHandler } from 'hono'
import { Hono } from 'hono'
import { Refusal } from '../../engine/domain/refusal.ts'
import * as schemas from '../api/schemas.ts'
import { parse } from '../input.ts'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { addressOf, requireSession } from '../session.ts'
import { type FormFields, type FormProblem, readForm, submit } from './form.ts'
import { editsIn } from './shown.ts'

const doneWords: Readonly<Record<string, string>> = {
  added: 'The user is added.',
  role: 'The role is changed.',
  password: 'The password is set, and the sessions of this user have ended.',
  removed: 'The user is removed.',
}

/** Users, for admins. */
export function userPages(services: Services): Hono<Env> {
  const { users } = services.accounts
  const pages = new Hono<Env>()
  const admins: readonly [MiddlewareHandler<Env>, MiddlewareHandler<Env>] = [
    requireSession(services),
    (c, next) => {
      services.engine.access.authorize(c.get('actor'), 'users.manage', null)
      return next()
    },
  ]
  const done = (c: Context<Env>) => doneWords[c.req.query('done') ?? '']

  const list = (c: Context<Env>, problem: FormProblem | null = null, input: FormFields = {}) => {
    const data = {
      title: 'Users',
      nav: 'settings',
      users: users.list(),
      problem,
      input,
      done: done(c),
    } as const
    return page(c, 'settings/users', data, problem?.status ?? 200)
  }
  const one = (c: Context<Env>, problem: FormProblem | null = null) => {
    const user = users.get(numberOf(c))
    const data = { title: user.username, nav: 'settings', user, problem, done: done(c) } as const
    return page(c, 'settings/user', data, problem?.status ?? 200)
  }

  pages.get(paths.panel.users, ...admins, (c) => list(c))
  pages.get(paths.panel.user, ...admins, (c) => one(c))

  pages.post(paths.panel.users, ...admins, async (c) => {
    const input = await readForm(c)
    return submit(
      async () => {
        const user = parse(schemas.createUser, { ...input, password: input.password ?? '' })
        await users.create(c.get('actor'), user, addressOf(c))
        return c.redirect(`${paths.panel.users}?done=added`, 303)
      },
      (problem) => list(c, problem, input),
    )
  })

  pages.post(paths.panel.userRole, ...admins, async (c) => {
    const form = await readForm(c)
    return submit(
      async () => {
        const { role } = editsIn(form, { role: users.get(numberOf(c)).role })
        const change = parse(schemas.changeUser, { role })
        if (role !== undefined) await users.change(c.get('actor'), numberOf(c), change, addressOf(c))
        return c.redirect(`${paths.panel.users}?done=role`, 303)
      },
      (problem) => list(c, problem),
    )
  })

  pages.post(paths.panel.userPassword, ...admins, async (c) => {
    const { password = '' } = await readForm(c)
    return submit(
      async () => {
        await users.change(c.get('actor'), numberOf(c), { password }, addressOf(c))
        return c.redirect(`${paths.panel.users}/${numberOf(c)}?done=password`, 303)
      },
      (problem) => one(c, problem),
    )
  })

  pages.post(paths.panel.removeUser, ...admins, async (c) => {
    const form = await readForm(c)
    return submit(
      () => {
        requireTyped(form.confirm, users.get(numberOf(c)).username)
        users.remove(c.get('actor'), numberOf(c), addressOf(c))
        return c.redirect(`${paths.panel.users}?done=removed`, 303)
      },
      (problem) => one(c, problem),
    )
  })

  return pages
}

function numberOf(c: Context<Env>): number {
  return Number(c.req.param('user'))
}

/** What cannot be undone is confirmed by typing its name. Refuses with `invalid`. */
export function requireTyped(typed: string | undefined, name: string): void {
  if (typed?.trim() === name) return
  throw new Refusal('invalid', `type ${name} to confirm`, {
    fields: [{ field: 'confirm', message: `this is not ${name}` }],
  })
}
