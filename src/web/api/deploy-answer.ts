import type { Context } from 'hono'
import type { Deployment } from '../../engine/domain/deployment.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { beginDeployment, type Deploy } from '../begin-deployment.ts'
import { paths } from '../paths.ts'
import { presentDeployment, presentProject } from '../present.ts'
import type { Env, Services } from '../services.ts'

/**
 * Runs a deployment for an API call. The answer comes when it is live, and a client that leaves meanwhile
 * cancels it, as Ctrl-C cancels a push; with `Prefer: respond-async` (RFC 7240) it comes as soon as the
 * deployment has a number, which `Location` then names. `cleanUp` runs when the deployment has ended.
 */
export async function deployAndAnswer(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  status: 200 | 201,
  deploy: Deploy,
  cleanUp: () => Promise<void> = async () => {},
): Promise<Response> {
  const run: Deploy = (by) => deploy(by).finally(cleanUp)
  if (prefersAsync(c)) return answerAtOnce(services, c, project, run)
  return answerWhenLive(services, c, project, status, run)
}

async function answerWhenLive(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  status: 200 | 201,
  run: Deploy,
): Promise<Response> {
  const left = new AbortController()
  const { outgoing } = c.env
  const onClose = () => left.abort(new DOMException('the client left', 'AbortError'))
  outgoing.once('close', onClose)
  try {
    const deployment = await run({ who: c.get('who'), signal: left.signal })
    return c.json(await body(services, project, deployment), status)
  } finally {
    outgoing.off('close', onClose)
  }
}

async function answerAtOnce(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  run: Deploy,
): Promise<Response> {
  const number = await beginDeployment(services, c, project, run)
  const location = paths.api.deployment.replace(':id', project.name).replace(':number', String(number))
  c.header('location', location)
  c.header('preference-applied', 'respond-async')
  return c.json(await body(services, project, services.engine.deployments.find(project, number)), 202)
}

function prefersAsync(c: Context<Env>): boolean {
  return /(^|[,\s])respond-async\b/i.test(c.req.header('prefer') ?? '')
}

async function body(services: Services, project: ProjectRow, deployment: Deployment) {
  const view = await services.engine.projects.show(project)
  return { project: presentProject(view, services.addresses), deployment: presentDeployment(deployment) }
}
