import type { Context } from 'hono'
import type { Deployment } from '../engine/domain/deployment.ts'
import type { ProjectRow } from '../engine/store/projects.ts'
import { DeploymentFailed } from '../engine/use-cases/deployment-failed.ts'
import type { By } from '../engine/use-cases/deployments.ts'
import type { Env, Services } from './services.ts'

export type Deploy = (by: By) => Promise<Deployment>

/**
 * Starts a deployment that nobody waits for, and resolves with its number as soon as it has one. Rejects with what
 * stopped it before that.
 */
export function beginDeployment(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  run: Deploy,
): Promise<number> {
  return new Promise((resolve, reject) => {
    run({ who: c.get('who'), onBegin: resolve }).catch((error: unknown) => {
      reject(error)
      // written down already; anything else is a fault that nobody waits for any more
      if (!(error instanceof DeploymentFailed)) services.report.error(`deploying ${project.name}`, error)
    })
  })
}
