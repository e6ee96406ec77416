import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import type { Services } from '../services.ts'
import * as queries from './queries.ts'
import { projectMetrics } from './shapes-system.ts'

/** What a project uses and how it answers, over time. */
export function metricsApi({ engine, kept }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: paths.api.metrics,
      tag: 'Projects',
      summary: 'CPU, memory, requests, answer times and restarts over time',
      description:
        'Steps of 10 s for an hour, 5 min for a day, 30 min for a week; with the deployments of that time.',
      access: 'project.read',
      query: queries.metricsQuery,
      example: { query: { range: '1h' } },
      answers: { 200: { description: 'the numbers', schema: projectMetrics } },
      handler: ({ c, project, query: { range } }) =>
        kept(c, {
          type: 'application/json',
          make: () =>
            JSON.stringify({
              ...engine.metrics.project(project, range),
              deploys: engine.metrics.deploys(project, range),
            }),
        }),
    }),
  ]
}
