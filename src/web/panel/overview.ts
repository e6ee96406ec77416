import { type Context, Hono } from 'hono'
import type { ProjectRow } from '../../engine/store/projects.ts'
import type { ProjectView } from '../../engine/use-cases/project-view.ts'
import { paths } from '../paths.ts'
import { presentPreview } from '../present.ts'
import { isFragmentRequest, type Marked, mark, page, refresh } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { deployRow, deployRows, keptReleases } from './deploy-rows.ts'
import type { FormProblem } from './form.ts'
import { projectFrame, projectOfPage } from './project-frame.ts'
import { projectStatus } from './status.ts'

const recent = 8

/** A project at a glance: what is live, what it uses, how to deploy, what was deployed last. */
export function overviewPages(services: Services): Hono<Env> {
  const pages = new Hono<Env>()
  pages.get(paths.panel.project, requireSession(services), async (c) => {
    const project = projectOfPage(services, c, 'project.read')
    if (!isFragmentRequest(c)) return showOverview(services, c, project)
    return refresh(c, (await overview(services, c, project, true)).live)
  })
  return pages
}

/** `problem`: why what was asked for on this page was refused. */
export async function showOverview(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  problem?: FormProblem,
): Promise<Response> {
  const { live, data } = await overview(services, c, project, false)
  return page(
    c,
    'projects/overview',
    { ...data, title: project.displayName, live: live.html, problem },
    problem?.status ?? 200,
  )
}

async function overview(services: Services, c: Context<Env>, row: ProjectRow, again: boolean) {
  const { engine } = services
  const frame = await projectFrame(services, c, row, 'overview')
  const { view, mayDeploy } = frame
  const deployments = engine.deployments.list(view.project, { limit: recent })
  const release = engine.releases
    .list(view.project)
    .find(({ number }) => number === view.project.currentRelease)
  const madeBy = release && engine.deployments.find(view.project, release.deployment)
  const newest = deployments[0] ?? null
  const kept = keptReleases(services, view.project)
  const data = {
    ...frame,
    again,
    release: release ?? null,
    releaseBy: madeBy?.by ?? null,
    rows: deployRows(services, view.project, deployments, mayDeploy),
    newestRow: newest && deployRow(view.project, newest, kept, mayDeploy),
    failingJobs: engine.cron.failing(view.project),
    maintenance: row.settings.maintenance ? engine.projects.maintenancePage(view.project) : null,
    switchedBack: engine.deployments.switchedBack(view.project),
    failure: newest?.status === 'failed' ? newest.error : null,
    use: useOf(services, view),
    previews: again ? null : await previewsOf(services, c, row),
  }
  const live: Marked = mark('projects/overview-live', data)
  return { data, live }
}

/** Of its branches; for a preview, the project it belongs to. */
async function previewsOf({ engine, addresses }: Services, c: Context<Env>, row: ProjectRow) {
  const parent = engine.previews.parentOf(row)
  const list = await Promise.all(
    engine.previews.list(row).map(async (one) => {
      const newest = engine.deployments.list(one.project, { limit: 1 })[0] ?? null
      const state = projectStatus(await engine.projects.show(one.project), newest)
      return { ...presentPreview(one, addresses), state }
    }),
  )
  const maySee = parent !== null && engine.access.allows(c.get('actor'), 'project.read', parent)
  return { list, on: row.settings.previews && row.preview === null, parent: maySee ? parent.name : null }
}

function useOf({ engine }: Services, { instances, project }: ProjectView) {
  const memoryBytes = instances.reduce((sum, instance) => sum + instance.memoryBytes, 0)
  const limit = project.memoryLimitMb === null ? null : project.memoryLimitMb * 1_000_000 * instances.length
  return {
    memoryBytes,
    memoryLimitBytes: limit,
    cpu: instances.reduce((sum, instance) => sum + instance.cpu, 0),
    restarts: instances.reduce((sum, instance) => sum + instance.restarts, 0),
    requestsPerMinute: engine.metrics.now(project).requestsPerMinute,
    history: engine.metrics.sparkline(project),
  }
}
