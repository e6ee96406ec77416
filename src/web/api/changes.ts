import { z } from 'zod'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import type { Services } from '../services.ts'
import { deploymentOf } from './deployment-of.ts'
import { changes } from './shapes-changes.ts'

/** What a deployment changed. */
export function changesApi(services: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: paths.api.deploymentChanges,
      tag: 'Deployments',
      summary: 'What a deployment changed against the release before it',
      description:
        'Commits, dependencies, names of config vars and start commands. For a failed one: what it would have changed.',
      access: 'project.read',
      answers: { 200: { description: 'the differences', schema: z.strictObject({ changes }) } },
      handler: async ({ c, project }) => {
        const deployment = deploymentOf(services, c, project)
        return c.json({ changes: await services.engine.changes.of(project, deployment) })
      },
    }),
  ]
}
