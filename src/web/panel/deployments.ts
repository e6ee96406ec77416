import { type Context, Hono } from 'hono'
import type { Deployment } from '../../engine/domain/deployment.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { deploymentOf } from '../api/deployment-of.ts'
import { pageQuery } from '../api/queries.ts'
import { readQuery } from '../input.ts'
import { paths } from '../paths.ts'
import { isFragmentRequest, mark, page, refresh } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { deployRow, deployRows, keptReleases } from './deploy-rows.ts'
import { deploymentCause } from './deployment-cause.ts'
import { deploymentOutput, type Output, outputPane } from './deployment-output.ts'
import { stepViews } from './deployment-steps.ts'
import { go } from './go.ts'
import { projectFrame, projectOfPage } from './project-frame.ts'
import { isUnfinished } from './status.ts'

const perPage = 25

/** The deployments of a project: the list, and one of them from its cause to its output. */
export function deploymentPages(services: Services): Hono<Env> {
  const { engine } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)

  pages.get(paths.panel.deployments, signedIn, async (c) => {
    const project = projectOfPage(services, c, 'project.read')
    const frame = await projectFrame(services, c, project, 'deploys')
    const { before } = readQuery(c, pageQuery)
    const range = before === undefined ? {} : { before }
    const found = engine.deployments.list(project, { ...range, limit: perPage + 1 })
    const shown = found.slice(0, perPage)
    return page(c, 'deploys/list', {
      ...frame,
      title: `Deploys of ${project.displayName}`,
      rows: deployRows(services, project, shown, frame.mayDeploy),
      older: found.length > perPage ? `${frame.here}/deploys?before=${shown.at(-1)?.number}` : null,
      newer: before !== undefined,
    })
  })

  pages.get(paths.panel.deployment, signedIn, async (c) => {
    const project = projectOfPage(services, c, 'project.read')
    const deployment = deploymentOf(services, c, project)
    if (isFragmentRequest(c)) return refreshDeployment(services, c, project, deployment)
    const output = await deploymentOutput(services, project, deployment)
    const data = await deploymentData(services, c, project, deployment, output)
    const changes = data.row.unfinished ? null : await engine.changes.of(project, deployment)
    return page(c, 'deploys/show', {
      ...data,
      title: `Deploy #${deployment.number} of ${project.displayName}`,
      live: mark('deploys/live', { ...data, changes }).html,
      scripts: ['log.js'],
      pane: outputPane(project, deployment, output),
      ...(data.row.unfinished ? { reloadWithoutScript: 3 } : {}),
    })
  })

  pages.get(paths.panel.cancelDeployment, signedIn, async (c) => {
    const project = projectOfPage(services, c, 'project.deploy')
    const { number } = deploymentOf(services, c, project)
    const frame = await projectFrame(services, c, project, 'deploys')
    return page(c, 'deploys/cancel', { ...frame, title: `Cancel deploy #${number}?`, number })
  })

  pages.post(paths.panel.cancelDeployment, signedIn, (c) => {
    const project = projectOfPage(services, c, 'project.deploy')
    const deployment = deploymentOf(services, c, project)
    engine.deployments.cancel(project, deployment, c.get('who'))
    return go(c, `/projects/${project.name}/deploys/${deployment.number}`)
  })
  return pages
}

/** While it runs, the page asks every second; the answer that ends it stops the asking. */
async function refreshDeployment(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  deployment: Deployment,
): Promise<Response> {
  const ended = !isUnfinished(deployment.status)
  const output = ended ? await deploymentOutput(services, project, deployment) : null
  const data = await deploymentData(services, c, project, deployment, output)
  const changes = ended ? await services.engine.changes.of(project, deployment) : null
  if (ended) c.header('hx-reswap', 'outerHTML')
  return refresh(c, mark('deploys/live', { ...data, changes, again: true }))
}

async function deploymentData(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  deployment: Deployment,
  output: Output | null,
) {
  const frame = await projectFrame(services, c, project, 'deploys')
  return {
    ...frame,
    again: false,
    deployment,
    row: deployRow(project, deployment, keptReleases(services, project), frame.mayDeploy),
    steps: stepViews(deployment),
    cause: deploymentCause(deployment, output),
    isCurrent: deployment.release !== null && deployment.release === project.currentRelease,
  }
}
