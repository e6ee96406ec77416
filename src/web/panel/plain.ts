import { Hono } from 'hono'
import { deploymentOf } from '../api/deployment-of.ts'
import { projectOf } from '../api/project-of.ts'
import { paths } from '../paths.ts'
import { presentDeployment, presentProject } from '../present.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'

/** Plain pages: what runs, what was deployed and why it failed. They work without script. */
export function plainPages(services: Services): Hono<Env> {
  const { engine, addresses } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)

  pages.get('/favicon.ico', (c) => c.body(null, 204))

  pages.get(paths.home, signedIn, async (c) => {
    const maySee = engine.access.filter(c.get('actor'), 'project.read')
    const visible = (await engine.projects.list()).filter(({ project }) => maySee(project))
    const projects = visible.map((view) => presentProject(view, addresses))
    return page(c, 'projects', { title: 'Projects', nav: 'projects', projects, panel: addresses.panel() })
  })

  pages.get(paths.panel.project, signedIn, async (c) => {
    const row = projectOf(services, c, 'project.read')
    const project = presentProject(await engine.projects.show(row), addresses)
    const deployments = engine.deployments.list(row, { limit: 50 }).map(presentDeployment)
    return page(c, 'project', { title: project.displayName, nav: 'projects', project, deployments })
  })

  pages.get(paths.panel.logs, signedIn, async (c) => {
    const project = projectOf(services, c, 'project.read')
    const lines = await engine.projects.appLog(project, { lines: 500 })
    const text = lines.map(
      ({ time, instance, line }) => `${time.slice(0, 19).replace('T', ' ')} ${instance} ${line}`,
    )
    return page(c, 'logs', {
      title: `Logs of ${project.name}`,
      nav: 'projects',
      project,
      log: text.join('\n'),
    })
  })

  pages.get(paths.panel.deployment, signedIn, async (c) => {
    const project = projectOf(services, c, 'project.read')
    const deployment = deploymentOf(services, c, project)
    const log = await lastLines(
      engine.deployments.log(project, deployment.number, AbortSignal.abort()),
      mostLines,
    )
    return page(c, 'deployment', {
      title: `Deployment ${deployment.number} of ${project.name}`,
      nav: 'projects',
      project,
      deployment: presentDeployment(deployment),
      log,
    })
  })

  return pages
}

/** A page is no place for fifty megabytes: the API streams the whole log. */
const mostLines = 2_000

async function lastLines(lines: AsyncIterable<string>, most: number): Promise<string> {
  const last: string[] = []
  let left = 0
  for await (const line of lines) {
    last.push(line.slice(0, 2_000))
    if (last.length > most * 2) left += last.splice(0, most).length
  }
  left += last.splice(0, Math.max(last.length - most, 0)).length
  return `${left > 0 ? `… ${left} lines before these\n` : ''}${last.join('\n')}`
}
