import { type Context, Hono } from 'hono'
import type { Action } from '../../engine/domain/access.ts'
import type { Remote } from '../../engine/domain/remote.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import type { RemoteWithSecret } from '../../engine/use-cases/remotes.ts'
import { putRemote } from '../api/schemas.ts'
import { parse } from '../input.ts'
import { paths } from '../paths.ts'
import { presentDelivery, presentRemote } from '../present-remote.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { type FormFields, type FormProblem, readForm, submit } from './form.ts'
import { go } from './go.ts'
import { begin } from './project-actions.ts'
import { projectFrame, projectOfPage, whoOfPage } from './project-frame.ts'
import { editedIn, editsIn } from './shown.ts'

interface Said {
  readonly problem?: FormProblem
  readonly input?: FormFields
  /** Shown this once. */
  readonly webhookSecret?: string | null
}

/** Deploying from a repository elsewhere: its address, the key it has to allow, the webhook it has to call. */
export function remotePages(services: Services): Hono<Env> {
  const { engine } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)

  const show = async (c: Context<Env>, project: ProjectRow, said: Said = {}) => {
    const remote = engine.remotes.find(project)
    const shown = remote && presentRemote(services, project, remote)
    const given = fieldsOf(remote)
    return page(
      c,
      'remote/show',
      {
        ...(await projectFrame(services, c, project, 'settings')),
        title: `Remote of ${project.displayName}`,
        remote: shown,
        input: { ...given, ...said.input },
        shown: given,
        deliveries: engine.remotes.deliveries(project).map((one) => presentDelivery(services, project, one)),
        problem: said.problem,
        webhookSecret: said.webhookSecret ?? null,
      },
      said.problem?.status ?? 200,
    )
  }
  /** `work` answers the page, or shows it again. */
  const form = (
    path: string,
    action: Action,
    work: (c: Context<Env>, project: ProjectRow, input: FormFields) => Response | Promise<Response>,
  ) =>
    pages.post(path, signedIn, async (c) => {
      const project = projectOfPage(services, c, action)
      const input = await readForm(c)
      return submit(
        () => work(c, project, input),
        (problem) => show(c, project, { problem, input: editedIn(input) }),
      )
    })
  const showSecret = (c: Context<Env>, project: ProjectRow, { webhookSecret }: RemoteWithSecret) =>
    show(c, project, { webhookSecret })

  pages.get(paths.panel.remote, signedIn, (c) => show(c, projectOfPage(services, c, 'project.read')))
  form(paths.panel.remote, 'project.manage', (c, project, input) => {
    const change = changeOf(input, fieldsOf(engine.remotes.find(project)))
    return showSecret(c, project, engine.remotes.set(project, parse(putRemote, change), whoOfPage(c)))
  })
  form(paths.panel.remoteSecret, 'project.manage', (c, project) =>
    showSecret(c, project, engine.remotes.renewSecret(project, whoOfPage(c))),
  )
  form(paths.panel.remoteKey, 'project.manage', (c, project) => {
    engine.remotes.renewKey(project, whoOfPage(c))
    return go(c, `/projects/${project.name}/remote`)
  })
  form(paths.panel.removeRemote, 'project.manage', (c, project) => {
    engine.remotes.remove(project, whoOfPage(c))
    return go(c, `/projects/${project.name}/remote`)
  })
  form(paths.panel.fetch, 'project.deploy', async (c, project) => {
    engine.remotes.get(project)
    return go(c, await begin(services, c, project, (by) => engine.fetch(project, by)))
  })
  return pages
}

function fieldsOf(remote: Remote | null) {
  return { url: remote?.url ?? '', branch: remote?.branch ?? '', username: remote?.username ?? '' }
}

/**
 * An empty token stays as it is: what is stored is not shown, so it cannot be sent back. One that is given is for the
 * address that was shown, and for no other.
 */
function changeOf(input: FormFields, now: FormFields): object {
  const { token, noToken, forgetHosts } = input
  const given = token?.trim() ? token.trim() : undefined
  const bound = given !== undefined || forgetHosts === 'yes' ? ['url'] : []
  const { url = '', branch = '', username = '' } = { ...now, ...editsIn(input, now, { bound }) }
  return {
    url: url.trim(),
    branch: branch.trim() || null,
    ...(username.trim() && { username: username.trim() }),
    ...(noToken === 'yes' ? { token: null } : given !== undefined && { token: given }),
    forgetHosts: forgetHosts === 'yes',
  }
}
