import type { Context } from 'hono'
import { Hono } from 'hono'
import * as schemas from '../api/schemas.ts'
import { parse } from '../input.ts'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { addressOf, requireSession } from '../session.ts'
import { type FormProblem, readForm, submit } from './form.ts'

const doneWords: Readonly<Record<string, string>> = {
  password: 'The password is changed, and your other sessions have ended.',
  session: 'The session has ended.',
}

/** One's own account: password and sessions. */
export function accountPages(services: Services): Hono<Env> {
  const { accounts } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)
  const show = (c: Context<Env>, problem: FormProblem | null = null) => {
    const actor = c.get('actor')
    const sessions = accounts.sessions(actor).map(({ id, number, kind, name, userAgent, ...facts }) => ({
      ...facts,
      id: number,
      kind,
      current: id === actor.sessionId,
      agent: name || nameOfAgent(userAgent),
    }))
    return page(
      c,
      'settings/account',
      {
        title: 'Settings',
        nav: 'settings',
        sessions,
        problem,
        done: doneWords[c.req.query('done') ?? ''],
      },
      problem?.status ?? 200,
    )
  }

  pages.get(paths.panel.settings, signedIn, (c) => show(c))

  pages.post(paths.panel.changePassword, signedIn, async (c) => {
    const form = await readForm(c)
    return submit(
      async () => {
        const { currentPassword, newPassword } = parse(schemas.changePassword, {
          currentPassword: form.currentPassword ?? '',
          newPassword: form.newPassword ?? '',
        })
        await accounts.changePassword(c.get('actor'), currentPassword, newPassword, addressOf(c))
        return c.redirect(`${paths.panel.settings}?done=password`, 303)
      },
      (problem) => show(c, problem),
    )
  })

  pages.post(paths.panel.endSession, signedIn, (c) =>
    submit(
      () => {
        accounts.endSession(c.get('actor'), Number(c.req.param('session')), addressOf(c))
        return c.redirect(`${paths.panel.settings}?done=session`, 303)
      },
      (problem) => show(c, problem),
    ),
  )

  return pages
}

const browsers = [
  ['Edg/', 'Edge'],
  ['OPR/', 'Opera'],
  ['Firefox/', 'Firefox'],
  ['Chrome/', 'Chrome'],
  ['Safari/', 'Safari'],
  ['curl/', 'curl'],
] as const

const systems = [
  ['Android', 'Android'],
  ['iPhone', 'iPhone'],
  ['iPad', 'iPad'],
  ['Windows', 'Windows'],
  ['Mac OS X', 'macOS'],
  ['Linux', 'Linux'],
] as const

/** "Firefox on Linux"; what is none of the usual browsers is shown by its own first word. */
export function nameOfAgent(userAgent: string): string {
  const browser = browsers.find(([sign]) => userAgent.includes(sign))?.[1]
  const system = systems.find(([sign]) => userAgent.includes(sign))?.[1]
  if (!browser) return userAgent.split(/[\s/]/, 1)[0]?.slice(0, 40) || 'unknown'
  return system ? `${browser} on ${system}` : browser
}
