import type { Context } from 'hono'
import type { Deployment } from '../../engine/domain/deployment.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { parse } from '../input.ts'
import type { Env, Services } from '../services.ts'
import { deploymentNumber } from './queries.ts'

/** The deployment that `:number` names, of this project. */
export function deploymentOf(services: Services, c: Context<Env>, project: ProjectRow): Deployment {
  return services.engine.deployments.find(project, parse(deploymentNumber, c.req.param('number')))
}
