import type { Context } from 'hono'
import { Hono } from 'hono'
import type { Action } from '../../engine/domain/access.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import * as schemas from '../api/schemas.ts'
import { toChange } from '../api/settings.ts'
import { parse } from '../input.ts'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { type FormFields, type FormProblem, readForm, submit } from './form.ts'
import { projectFrame, projectOfPage, whoOfPage } from './project-frame.ts'
import { fieldsIn, fieldsOf, labelOf, settingGroups, settingsOf } from './settings-fields.ts'
import { requireTyped } from './settings-users.ts'
import { editedIn, editsIn, shownField } from './shown.ts'

interface Said {
  readonly problem?: FormProblem
  readonly input?: FormFields
}

const doneWords: Readonly<Record<string, string>> = {
  saved: 'Saved. What is set for the front door is in force; the rest with the next deploy or restart.',
  member: 'The members are changed.',
  token: 'The token is revoked.',
}

const roles = [
  ['viewer', 'viewer: look'],
  ['deployer', 'deployer: deploy, restart, config vars'],
  ['owner', 'owner: everything'],
] as const

/** How a project is built, started and run, who may what, and its end. */
export function projectSettingsPages(services: Services): Hono<Env> {
  const { engine, accounts } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)
  const addressOfPage = (project: ProjectRow) => paths.panel.projectSettings.replace(':id', project.name)
  const roleOf = (project: ProjectRow, username: string): string | undefined =>
    engine.members.list(project).find((member) => member.username === username)?.role

  const show = async (c: Context<Env>, project: ProjectRow, { problem, input }: Said = {}) => {
    const actor = c.get('actor')
    const tokens = actor.role === 'admin' ? accounts.allTokens() : accounts.tokens(actor)
    return page(
      c,
      'project-settings/show',
      {
        ...(await projectFrame(services, c, project, 'settings')),
        title: `Settings of ${project.displayName}`,
        action: addressOfPage(project),
        input: { ...formOf(project), ...input },
        shown: formOf(project),
        problem,
        done: doneWords[c.req.query('done') ?? ''],
        settingCards: settingGroups.map((title) => ({ title, fields: fieldsIn(title) })),
        processes: await processesOf(services, project),
        members: engine.members.list(project),
        roles,
        users: actor.role === 'admin' ? accounts.users.list().map(({ username }) => username) : null,
        tokens: tokens
          .filter(({ projectId }) => projectId === project.id)
          .map((token) => ({ ...token, project: project.name })),
      },
      problem?.status ?? 200,
    )
  }

  /** A form of this page: what it does, what is said once it is done, and what stays in it where it is refused. */
  const form = (
    path: string,
    action: Action,
    done: string,
    work: (c: Context<Env>, project: ProjectRow, input: FormFields) => unknown,
    kept: (input: FormFields) => FormFields = (input) => input,
  ) =>
    pages.post(path, signedIn, async (c) => {
      const input = await readForm(c)
      const project = projectOfPage(services, c, action)
      return submit(
        async () => {
          await work(c, project, input)
          return c.redirect(done.startsWith('/') ? done : `${addressOfPage(project)}?done=${done}`, 303)
        },
        (problem) => show(c, project, { problem: withFormNames(problem), input: kept(input) }),
      )
    })

  pages.get(paths.panel.projectSettings, signedIn, (c) => show(c, projectOfPage(services, c, 'project.read')))

  form(
    paths.panel.projectSettings,
    'project.manage',
    'saved',
    (c, project, input) => {
      const edits = changeOf(editsIn(input, formOf(project), { called: labelOf }))
      if (Object.keys(edits).length === 0) return
      return engine.projects.change(project, toChange(parse(schemas.changeProject, edits)), whoOfPage(c))
    },
    editedIn,
  )
  form(
    paths.panel.members,
    'project.manage',
    'member',
    (c, project, input) => {
      const username = input.username?.trim() ?? ''
      const { role } = isInvitation(input) ? input : editsIn(input, { role: roleOf(project, username) })
      if (role === undefined && !isInvitation(input)) return
      return engine.members.put(project, username, parse(schemas.putMember, { role }).role, whoOfPage(c))
    },
    (input) => (isInvitation(input) ? input : {}),
  )
  form(paths.panel.removeMember, 'project.manage', 'member', (c, project) =>
    engine.members.remove(project, c.req.param('username') ?? '', whoOfPage(c)),
  )
  form(paths.panel.deleteProject, 'project.manage', paths.home, (c, project, input) => {
    requireTyped(input.confirm, project.name)
    return engine.projects.remove(project, whoOfPage(c))
  })

  return pages
}

/** A row's settings as the fields of the form. */
export function formOf(project: ProjectRow): FormFields {
  const text = (value: number | null) => (value === null ? '' : String(value))
  return {
    displayName: project.displayName,
    startCommand: project.startCommand,
    deployBranch: project.deployBranch ?? '',
    healthPath: project.healthPath ?? '',
    bootTimeoutSeconds: String(project.bootTimeoutMs / 1000),
    keepReleases: text(project.keepReleases),
    memoryLimitMb: text(project.memoryLimitMb),
    privateModules: project.privateModules ? 'yes' : '',
    overlapWorkers: project.overlapWorkers ? 'yes' : '',
    ...fieldsOf(project.settings),
  }
}

/** Fields of the form as the API would be sent them: empty means none, seconds are milliseconds. */
export function changeOf({ bootTimeoutSeconds, ...input }: FormFields): object {
  const columns = Object.entries(readers).flatMap(([name, read]) =>
    input[name] === undefined ? [] : [[name, read(input[name].trim())] as const],
  )
  return {
    ...Object.fromEntries(columns),
    ...(bootTimeoutSeconds !== undefined && { bootTimeoutMs: Math.round(Number(bootTimeoutSeconds) * 1000) }),
    ...settingsOf(input),
  }
}

const text = (given: string) => given
const number = (given: string) => (given === '' ? null : Number(given))
const yes = (given: string) => given === 'yes'

const readers: Readonly<Record<string, (given: string) => unknown>> = {
  displayName: text,
  startCommand: text,
  deployBranch: text,
  healthPath: (given) => given || null,
  keepReleases: number,
  memoryLimitMb: number,
  privateModules: yes,
  overlapWorkers: yes,
}

/** Beside the members that are there, each with a form for its role. */
function isInvitation(input: FormFields): boolean {
  return !(shownField in input)
}

function withFormNames(problem: FormProblem): FormProblem {
  const { bootTimeoutMs, ...fields } = { ...problem.fields, ...problemsOfLists(problem) }
  if (bootTimeoutMs === undefined) return { ...problem, fields }
  const message = 'it is 1 to 600 seconds'
  return {
    ...problem,
    sentence: `boot timeout: ${message}`,
    fields: { ...fields, bootTimeoutSeconds: message },
  }
}

/** What is wrong with `cron.1.schedule` stands below the field `cron`, as of its second entry. */
function problemsOfLists({ fields }: FormProblem): Record<string, string> {
  const found = Object.entries(fields).flatMap(([path, message]) => {
    const [, name, index, part] = /^(\w+)\.(\d+)(?:\.(.+))?$/.exec(path) ?? []
    return name ? [[name, `entry ${Number(index) + 1}${part ? `, ${part}` : ''}: ${message}`] as const] : []
  })
  // the first of several is told
  return Object.fromEntries(found.reverse())
}

async function processesOf({ engine }: Services, project: ProjectRow) {
  const { processes, instances } = await engine.projects.show(project)
  return Object.entries(processes).map(([type, count]) => ({
    type,
    count,
    running: instances.filter((instance) => instance.type === type && instance.status === 'online').length,
  }))
}
