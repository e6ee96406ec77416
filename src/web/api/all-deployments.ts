import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import { presentDeployment } from '../present.ts'
import type { Services } from '../services.ts'
import * as queries from './queries.ts'
import { deploymentPage } from './shapes-system.ts'

/** Deployments of every project that the actor may see. */
export function allDeploymentsApi({ engine, kept }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: paths.api.allDeployments,
      tag: 'Deployments',
      summary: 'Deployments of all projects you may see, newest first',
      description: 'For the next page, ask again with `before` as `next` says.',
      access: 'signed-in',
      query: queries.allDeploymentsQuery,
      example: { query: { limit: '20' } },
      answers: { 200: { description: 'a page of them', schema: deploymentPage } },
      handler: ({ c, actor, query: { project, ...page } }) => {
        const only = project === undefined ? null : engine.projects.get(project)
        if (only) engine.access.authorize(actor, 'project.read', only)
        return kept(c, {
          type: 'application/json',
          make() {
            const maySee = engine.access.filter(actor, 'project.read')
            const names = new Map(engine.projects.names().map(({ id, name }) => [id, name]))
            const visible = only ? [only.id] : [...names.keys()].filter((id) => maySee({ id }))
            // all of them need no list: the newest are found without looking at the others
            const projects = visible.length === names.size ? null : visible
            const found = engine.deployments.listAll({ ...page, projects })
            return JSON.stringify({
              deployments: found.map((one) => ({
                ...presentDeployment(one),
                project: names.get(one.projectId),
              })),
              next: found.length < page.limit ? null : (found.at(-1)?.id ?? null),
            })
          },
        })
      },
    }),
  ]
}
