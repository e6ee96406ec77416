import { type Context, Hono } from 'hono'
import type { Action } from '../../engine/domain/access.ts'
import { Refusal } from '../../engine/domain/refusal.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { maintenance, restart, scale } from '../api/schemas.ts'
import { beginDeployment } from '../begin-deployment.ts'
import { parse } from '../input.ts'
import { paths } from '../paths.ts'
import { fragment, isFragmentRequest, page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { openForm, uploadOptions } from '../upload.ts'
import { readForm, submit } from './form.ts'
import { go } from './go.ts'
import { showOverview } from './overview.ts'
import { projectFrame, projectOfPage, whoOfPage } from './project-frame.ts'
import { editsIn } from './shown.ts'

/** What the buttons of a project's page do. A refusal is shown on that page. */
export function projectActionPages(services: Services): Hono<Env> {
  const { engine } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)
  const act = (
    path: string,
    action: Action,
    work: (c: Context<Env>, project: ProjectRow) => Promise<Response>,
  ) =>
    pages.post(path, signedIn, (c) => {
      const project = projectOfPage(services, c, action)
      return submit(
        () => work(c, project),
        (problem) =>
          isFragmentRequest(c)
            ? fragment(c, 'partials/form-problem', { problem }, problem.status)
            : showOverview(services, c, engine.projects.get(project.id), problem),
      )
    })
  const back = (c: Context<Env>, project: ProjectRow, done: string) =>
    go(c, `/projects/${project.name}?done=${done}`)

  act(paths.panel.redeploy, 'project.deploy', async (c, project) =>
    go(c, await begin(services, c, project, (by) => engine.deployments.redeploy(project, by))),
  )
  act(paths.panel.start, 'project.operate', async (c, project) => {
    await engine.processes.start(project, whoOfPage(c))
    return back(c, project, 'started')
  })
  act(paths.panel.restart, 'project.operate', async (c, project) => {
    const { type } = parse(restart, await readForm(c))
    await engine.processes.restart(project, whoOfPage(c), type)
    return back(c, project, 'restarted')
  })
  act(paths.panel.stop, 'project.operate', async (c, project) => {
    await engine.processes.stop(project, whoOfPage(c))
    return back(c, project, 'stopped')
  })
  act(paths.panel.maintenance, 'project.manage', async (c, project) => {
    const on = parse(maintenance, await readForm(c)).on === 'yes'
    await engine.projects.change(project, { settings: { maintenance: on } }, whoOfPage(c))
    return back(c, project, on ? 'maintenance-on' : 'maintenance-off')
  })
  act(paths.panel.scale, 'project.operate', async (c, project) => {
    const { processes } = await engine.projects.show(project)
    const edits = Object.entries(editsIn(await readForm(c), asFields(processes)))
    const counts = Object.fromEntries(edits.map(([type, count]) => [type, Number(count || 'none')]))
    if (edits.length > 0) await engine.processes.scale(project, parse(scale, counts), whoOfPage(c))
    return back(c, project, 'scaled')
  })
  act(paths.panel.upload, 'project.deploy', async (c, project) => {
    const { file, dispose } = await openForm(c.env.incoming, uploadOptions(services))
    if (!file) throw new Refusal('invalid', 'choose an archive first')
    const { path, filename } = file
    return go(
      c,
      await begin(services, c, project, (by) =>
        engine.deployments.deployUpload(project, path, filename, by).finally(dispose),
      ),
    )
  })

  pages.get(paths.panel.stop, signedIn, async (c) => {
    const project = projectOfPage(services, c, 'project.operate')
    return page(c, 'projects/stop', {
      ...(await projectFrame(services, c, project, 'overview')),
      title: `Stop ${project.displayName}?`,
    })
  })
  return pages
}

/** Starts a deployment and says where it can be watched. */
export async function begin(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  deploy: Parameters<typeof beginDeployment>[3],
): Promise<string> {
  const number = await beginDeployment(services, c, project, deploy)
  return `/projects/${project.name}/deploys/${number}`
}

function asFields(counts: Readonly<Record<string, number>>) {
  return Object.fromEntries(Object.entries(counts).map(([type, count]) => [type, String(count)]))
}
