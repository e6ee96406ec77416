import { Hono } from 'hono'
import { stream } from 'hono/streaming'
import { deploymentOf } from '../api/deployment-of.ts'
import { paths } from '../paths.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { projectOfPage } from './project-frame.ts'

/** The output of a deployment as a file to keep. */
export function outputPages(services: Services): Hono<Env> {
  const pages = new Hono<Env>()
  pages.get(paths.panel.deploymentOutput, requireSession(services), (c) => {
    const project = projectOfPage(services, c, 'project.read')
    const deployment = deploymentOf(services, c, project)
    const { number } = deployment
    services.engine.deployments.requireLog(project, deployment)
    c.header('content-type', 'text/plain; charset=utf-8')
    c.header('content-disposition', `attachment; filename="${project.name}-${number}.log"`)
    return stream(c, async (out) => {
      const now = AbortSignal.abort()
      for await (const line of services.engine.deployments.log(project, number, now))
        await out.write(`${line}\n`)
    })
  })
  return pages
}
