import { z } from 'zod'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import type { Services } from '../services.ts'
import { trafficOf } from '../traffic-of.ts'
import { time } from './shapes.ts'

const count = z.number().int()
const quantile = z.number().nullable().meta({ description: 'until an answer began; null: there was none' })

const releaseTraffic = z
  .strictObject({
    release: count,
    current: z.boolean(),
    since: time.nullable().meta({ description: 'when it went live' }),
    requests: count,
    errors: count.meta({
      description: 'answers of 500 and above, those of the front door for an app that did not answer too',
    }),
    statuses: z.strictObject({
      none: count.meta({ description: 'the client left before there was an answer' }),
      '1xx': count.meta({ description: 'tunnels, as WebSockets' }),
      '2xx': count,
      '3xx': count,
      '4xx': count,
      '5xx': count,
    }),
    bytesIn: count,
    bytesOut: count,
    open: count.meta({ description: 'requests and tunnels under way' }),
    p50Ms: quantile,
    p95Ms: quantile,
    p99Ms: quantile,
  })
  .meta({ id: 'ReleaseTraffic' })

/** What each release was asked, and how it answered. */
export function trafficApi(services: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: paths.api.traffic,
      tag: 'Projects',
      summary: 'Requests, statuses, bytes and answer times by release',
      description:
        'Of the newest 20 releases that were asked anything, each since it went live; newest first.',
      access: 'project.read',
      answers: {
        200: { description: 'the numbers', schema: z.strictObject({ releases: z.array(releaseTraffic) }) },
      },
      handler: async ({ c, project }) => c.json({ releases: await trafficOf(services, project) }),
    }),
  ]
}
