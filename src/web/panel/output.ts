import { Hono } from 'hono'
import { deploymentOf } from '../api/deployment-of.ts'
import { outputOf } from '../api/deployments.ts'
import { plainOutput } from '../api/output-answer.ts'
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
    const output = outputOf(services, project, deployment)
    c.header('content-disposition', `attachment; filename="${project.name}-${deployment.number}.log"`)
    return plainOutput(c, output)
  })
  return pages
}
