import { Hono } from 'hono'
import { stream } from 'hono/streaming'
import { z } from 'zod'
import { deploymentOf } from '../api/deployment-of.ts'
import { readQuery } from '../input.ts'
import { paths } from '../paths.ts'
import { fragment } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { deploymentOutput } from './deployment-output.ts'
import { projectOfPage } from './project-frame.ts'
import { isUnfinished } from './status.ts'

const query = z.object({ after: z.coerce.number().int().min(0).optional() })

/** The output of a deployment: what came after a line, as a fragment, or all of it to keep. */
export function outputPages(services: Services): Hono<Env> {
  const pages = new Hono<Env>()
  pages.get(paths.panel.deploymentOutput, requireSession(services), async (c) => {
    const project = projectOfPage(services, c, 'project.read')
    const deployment = deploymentOf(services, c, project)
    const { after } = readQuery(c, query)
    if (after === undefined) {
      c.header('content-type', 'text/plain; charset=utf-8')
      c.header('content-disposition', `attachment; filename="${project.name}-${deployment.number}.log"`)
      return stream(c, async (out) => {
        const now = AbortSignal.abort()
        for await (const line of services.engine.deployments.log(project, deployment.number, now)) {
          await out.write(`${line}\n`)
        }
      })
    }
    // the status was read before the lines: what is written last is never missed
    const { lines } = await deploymentOutput(services, project, deployment)
    const fresh = lines.filter(({ number }) => number > after)
    const here = `/projects/${project.name}/deploys/${deployment.number}/output`
    const next = isUnfinished(deployment.status) ? `${here}?after=${lines.at(-1)?.number ?? after}` : null
    if (fresh.length === 0 && next) return c.body(null, 204)
    return fragment(c, 'deploys/output', { lines: fresh, next })
  })
  return pages
}
