import { type Context, Hono } from 'hono'
import { login, setUp } from '../api/schemas.ts'
import { clearSessionCookie } from '../cookie.ts'
import { parse } from '../input.ts'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { addressOf, handSession, withCookie } from '../session.ts'
import { type FormProblem, readForm, submit } from './form.ts'
import { localPath } from './local-path.ts'

/** Set-up, signing in and out: plain forms, which work without script. */
export function signInPages(services: Services): Hono<Env> {
  const { accounts } = services
  const pages = new Hono<Env>()
  const signedIn = (c: Context<Env>) => withCookie(services, (name) => c.req.header(name))
  const from = (c: Context<Env>) =>
    ({ address: addressOf(c), kind: 'browser', userAgent: c.req.header('user-agent') }) as const

  pages.get(paths.setup, (c) => showSetUp(services, c, {}, null))

  pages.post(paths.setup, async (c) => {
    const fields = await readForm(c)
    return submit(
      async () => {
        const user = await accounts.setUp({ ...parse(setUp, fields), address: addressOf(c) })
        await handSession(services, c, accounts.startSession(user, from(c)))
        return c.redirect(paths.home, 303)
      },
      (problem) => showSetUp(services, c, fields, problem),
    )
  })

  pages.get(paths.login, async (c) => {
    if (!accounts.hasUsers()) return c.redirect(paths.setup, 303)
    const next = localPath(c.req.query('next'))
    return (await signedIn(c)) ? c.redirect(next, 303) : showLogin(c, { next }, null)
  })

  pages.post(paths.login, async (c) => {
    const { username = '', password = '', next } = await readForm(c)
    return submit(
      async () => {
        const given = parse(login, { username, password })
        const begun = await accounts.login({ ...given, ...from(c) })
        const before = await signedIn(c)
        if (before) accounts.logout(before, addressOf(c))
        await handSession(services, c, begun)
        return c.redirect(localPath(next), 303)
      },
      (problem) => showLogin(c, { next: localPath(next), username: username.slice(0, 200) }, problem),
    )
  })

  pages.post(paths.logout, async (c) => {
    const actor = await signedIn(c)
    if (actor) accounts.logout(actor, addressOf(c))
    clearSessionCookie(c)
    return c.redirect(paths.login, 303)
  })

  return pages
}

type Input = Readonly<Record<string, string | undefined>>

function showLogin(c: Context<Env>, { next, username }: Input, problem: FormProblem | null): Response {
  const data = { title: 'Sign in', next, host: c.req.header('host') ?? null, input: { username }, problem }
  if (problem?.status === 429) c.header('retry-after', '5')
  return page(c, 'login', data, problem === null ? 200 : problem.status)
}

function showSetUp(
  services: Services,
  c: Context<Env>,
  { code, username }: Input,
  problem: FormProblem | null,
): Response {
  const done = services.accounts.hasUsers()
  const data = { title: 'Set up', scripts: ['setup.js'], done, input: { code, username }, problem }
  return page(c, 'setup', data, problem?.status ?? 200)
}
