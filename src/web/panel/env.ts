import { type Context, Hono } from 'hono'
import { comparableVars, type VarScopes, varsAtRun } from '../../engine/domain/config-vars.ts'
import { formatDotEnv, parseDotEnv } from '../../engine/domain/dot-env.ts'
import { Refusal } from '../../engine/domain/refusal.ts'
import type { Release } from '../../engine/domain/release.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { patchEnv } from '../api/schemas.ts'
import { parse } from '../input.ts'
import { paths } from '../paths.ts'
import { fragment, isFragmentRequest, page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { type FormFields, type FormProblem, readForm, submit } from './form.ts'
import { go } from './go.ts'
import { projectFrame, projectOfPage, whoOfPage } from './project-frame.ts'
import { differences } from './rollback.ts'
import { editedIn, editsIn, shownField } from './shown.ts'

interface Said {
  readonly problem?: FormProblem
  readonly input?: FormFields
  /** The one whose value is to be seen, without script. */
  readonly shown?: string
  /** The one that is changed: its name, and what was sent. */
  readonly editing?: FormFields
}

interface EnvChange {
  readonly envVars: Readonly<Record<string, string | null>>
  readonly scopes?: Readonly<Record<string, string>>
}

/** The config vars of a project: masked, shown one by one, changed one by one or by a pasted .env file. */
export function envPages(services: Services): Hono<Env> {
  const { engine } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)
  const home = (project: ProjectRow) => `/projects/${project.name}/env`
  const show = (c: Context<Env>, project: ProjectRow, said: Said = {}) => showEnv(services, c, project, said)

  /** Stores, and applies where the form asks for it: then the answer comes when the project runs with it. */
  const change = async (c: Context<Env>, project: ProjectRow, change: EnvChange, apply: boolean) => {
    const { envVars, scopes } = parse(patchEnv, change)
    await engine.configVars.patch(project, envVars, apply, { who: whoOfPage(c) }, scopes)
    return go(c, `${home(project)}?done=${apply ? 'env-applied' : 'env-stored'}`)
  }

  pages.get(paths.panel.env, signedIn, (c) => {
    const project = projectOfPage(services, c, 'project.read')
    return show(c, project, withShown(services, c, project))
  })

  pages.post(paths.panel.env, signedIn, async (c) => {
    const project = projectOfPage(services, c, 'project.operate')
    const input = await readForm(c)
    return submit(
      () => change(c, project, changeOf(input, project), input.apply === 'yes'),
      (problem) =>
        show(c, project, { problem, ...(isEdit(input, project) ? { editing: input } : { input }) }),
    )
  })

  pages.post(paths.panel.envApply, signedIn, (c) => {
    const project = projectOfPage(services, c, 'project.operate')
    return submit(
      () => change(c, project, { envVars: {} }, true),
      (problem) => show(c, project, { problem }),
    )
  })

  pages.get(paths.panel.envExport, signedIn, (c) => {
    const { name, readableVars } = projectOfPage(services, c, 'project.operate')
    return c.body(formatDotEnv(readableVars), 200, {
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': `attachment; filename="${name}.env"`,
      'cache-control': 'private, no-store',
    })
  })

  pages.get(paths.panel.envVar, signedIn, (c) => {
    const project = projectOfPage(services, c, 'project.operate')
    return show(c, project, { editing: { name: requireVar(project, c.req.param('name')) } })
  })

  pages.get(paths.panel.envValue, signedIn, (c) => {
    const project = projectOfPage(services, c, 'project.operate')
    const name = requireVar(project, c.req.param('name'))
    if (!isFragmentRequest(c)) return c.redirect(`${home(project)}?show=${name}`, 303)
    return fragment(c, 'env/value', {
      here: home(project),
      name,
      value: project.readableVars[name],
      shown: c.req.query('hide') === undefined,
    })
  })

  pages.get(paths.panel.envRemove, signedIn, async (c) => {
    const project = projectOfPage(services, c, 'project.operate')
    const name = requireVar(project, c.req.param('name'))
    const frame = await projectFrame(services, c, project, 'env')
    return page(c, 'env/remove', { ...frame, title: `Remove ${name}?`, name })
  })

  pages.post(paths.panel.envRemove, signedIn, async (c) => {
    const project = projectOfPage(services, c, 'project.operate')
    const { apply } = await readForm(c)
    return submit(
      () => {
        const envVars = { [requireVar(project, c.req.param('name'))]: null }
        return change(c, project, { envVars }, apply === 'yes')
      },
      (problem) => show(c, project, { problem }),
    )
  })
  return pages
}

function withShown(services: Services, c: Context<Env>, project: ProjectRow): Said {
  const shown = c.req.query('show')
  const may = services.engine.access.allows(c.get('actor'), 'project.operate', project)
  return shown !== undefined && may && Object.hasOwn(project.readableVars, shown) ? { shown } : {}
}

async function showEnv(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  said: Said,
): Promise<Response> {
  const frame = await projectFrame(services, c, project, 'env')
  const { problem, input = {}, shown, editing } = said
  const live = services.engine.releases.find(project, project.currentRelease ?? -1)
  const { readableVars, lockedVars, envScopes } = project
  const names = [...Object.keys(readableVars), ...lockedVars].sort()
  return page(
    c,
    'env/list',
    {
      ...frame,
      title: `Environment of ${project.displayName}`,
      vars: names.map((name) => ({
        name,
        value: frame.mayOperate ? (readableVars[name] ?? null) : null,
        shown: name === shown,
        locked: lockedVars.includes(name),
        scope: scopeOf(envScopes, name),
      })),
      pending: live ? pendingOf(live, project) : [],
      scopes: scopeWords,
      editing: editing ? { ...editing, ...shownOf(project, editing.name), ...editedIn(editing) } : null,
      editShown: editing && shownOf(project, editing.name),
      input,
      problem,
    },
    problem?.status ?? 200,
  )
}

const scopeWords = { all: 'Builds and processes', run: 'Processes only', build: 'Builds only' } as const

function scopeOf(scopes: VarScopes, name: string): keyof typeof scopeWords {
  return (Object.hasOwn(scopes, name) ? scopes[name] : undefined) ?? 'all'
}

/** What a restart would bring: what only builds see waits for the next one in any case. */
function pendingOf(live: Release, project: ProjectRow) {
  if (live.lockedVars.length + project.lockedVars.length > 0) {
    return differences(comparableVars(live), comparableVars(project))
  }
  return differences(varsAtRun(live), varsAtRun(project))
}

/** What the form that changes one is filled with; one that cannot be read is empty there, and set anew. */
function shownOf({ readableVars, lockedVars, envScopes }: ProjectRow, name = ''): FormFields {
  if (lockedVars.includes(name)) return { scope: scopeOf(envScopes, name) }
  if (!Object.hasOwn(readableVars, name)) return {}
  return { value: readableVars[name], scope: scopeOf(envScopes, name) }
}

function isEdit({ name = '', ...input }: FormFields, { readableVars, lockedVars }: ProjectRow): boolean {
  return shownField in input && (Object.hasOwn(readableVars, name) || lockedVars.includes(name))
}

/** One variable of its own fields, or a pasted file. */
function changeOf(input: FormFields, project: ProjectRow): EnvChange {
  if (input.env !== undefined) {
    const values = parseDotEnv(input.env)
    if (Object.keys(values).length > 0) return { envVars: values }
    throw new Refusal('invalid', 'there is no NAME=value in it', {
      fields: [{ field: 'env', message: 'there is no NAME=value in it' }],
    })
  }
  const name = (input.name ?? '').trim()
  const { value, scope } =
    shownField in input ? editsOf(input, shownOf(project, name)) : { value: '', ...input }
  return {
    // a browser sends line ends as CRLF
    envVars: value === undefined ? {} : { [name]: value.replaceAll('\r\n', '\n') },
    ...(scope === undefined ? {} : { scopes: { [name]: scope } }),
  }
}

function editsOf(input: FormFields, now: FormFields): FormFields {
  const edits = editsIn(input, now, { secret: true })
  return now.value === undefined ? { value: input.value, ...edits } : edits
}

function requireVar(project: ProjectRow, name = ''): string {
  if (Object.hasOwn(project.readableVars, name) || project.lockedVars.includes(name)) return name
  throw new Refusal('not_found', `${project.name} has no config var ${name.slice(0, 60)}`)
}
