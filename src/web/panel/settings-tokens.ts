import type { Context } from 'hono'
import { Hono } from 'hono'
import * as schemas from '../api/schemas.ts'
import { parse } from '../input.ts'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { addressOf, requireSession } from '../session.ts'
import { type FormFields, type FormProblem, readForm, submit } from './form.ts'
import { localPath } from './local-path.ts'

interface Said {
  readonly problem?: FormProblem
  readonly input?: FormFields
  readonly made?: { readonly name: string; readonly token: string }
}

/** Tokens: made here, shown once, revoked. */
export function tokenPages(services: Services): Hono<Env> {
  const { accounts, engine } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)

  const show = async (c: Context<Env>, said: Said = {}) => {
    const actor = c.get('actor')
    const visible = engine.access.filter(actor, 'project.read')
    const projects = (await engine.projects.list()).map(({ project }) => project).filter(visible)
    const nameOf = new Map(projects.map(({ id, name }) => [id, name]))
    return page(
      c,
      'settings/tokens',
      {
        title: 'Tokens',
        nav: 'settings',
        tokens: accounts.tokens(actor).map((token) => ({
          ...token,
          project: token.projectId === null ? null : (nameOf.get(token.projectId) ?? 'a project of others'),
        })),
        projects: projects.map(({ name }) => name),
        input: said.input ?? { project: c.req.query('project') },
        made: said.made,
        problem: said.problem,
        done: c.req.query('done') === 'revoked' ? 'The token is revoked.' : null,
      },
      said.problem?.status ?? 200,
    )
  }

  pages.get(paths.panel.tokens, signedIn, (c) => show(c))

  // The answer to the form itself shows the token: an address that shows it again would not be "once".
  pages.post(paths.panel.tokens, signedIn, async (c) => {
    const input = await readForm(c)
    return submit(
      () => {
        const { name, scope, project, expiresInDays } = parse(schemas.createToken, {
          name: input.name ?? '',
          scope: input.scope,
          project: input.project || null,
          expiresInDays: input.expiresInDays ? Number(input.expiresInDays) : null,
        })
        const row = project === null || project === undefined ? null : engine.projects.get(project)
        if (row) engine.access.authorize(c.get('actor'), 'project.read', row)
        const token = { name, scope, projectId: row?.id ?? null, expiresInDays: expiresInDays ?? null }
        const made = accounts.createToken(c.get('actor'), token, addressOf(c))
        return show(c, { made: { name, token: made.token } })
      },
      (problem) => show(c, { problem, input }),
    )
  })

  pages.post(paths.panel.revokeToken, signedIn, async (c) => {
    const { next } = await readForm(c)
    return submit(
      () => {
        accounts.removeToken(c.get('actor'), Number(c.req.param('token')), addressOf(c))
        return c.redirect(next ? localPath(next) : `${paths.panel.tokens}?done=revoked`, 303)
      },
      (problem) => show(c, { problem }),
    )
  })

  return pages
}
