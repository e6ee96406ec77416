import { z } from 'zod'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import type { Services } from '../services.ts'
import * as queries from './queries.ts'
import * as shapes from './shapes-system.ts'

const tag = 'Server'

/** The machine, what NodePilot runs on it, and whether it is well. */
export function systemApi(services: Services): readonly Endpoint[] {
  const { engine, version, pm2Version } = services
  return [
    endpoint({
      method: 'get',
      path: paths.api.systemInfo,
      tag,
      summary: 'The machine and the versions of what runs on it',
      access: 'server.read',
      answers: { 200: { description: 'what it is', schema: shapes.systemInfo } },
      handler: async ({ c }) => c.json({ ...(await engine.system.info()), version, pm2: pm2Version }),
    }),
    endpoint({
      method: 'get',
      path: paths.api.systemMetrics,
      tag,
      summary: 'CPU, memory, disk and network of the machine, now and over time',
      access: 'server.read',
      query: queries.metricsQuery,
      example: { query: { range: '1h' } },
      answers: { 200: { description: 'the numbers', schema: shapes.systemMetrics } },
      handler: async ({ c, query }) => c.json(await engine.system.metrics(query.range)),
    }),
    endpoint({
      method: 'get',
      path: paths.api.systemProcesses,
      tag,
      summary: 'Every process of every project and of NodePilot itself, by memory',
      access: 'server.read',
      answers: {
        200: {
          description: 'the processes',
          schema: z.strictObject({ processes: z.array(shapes.systemProcess) }),
        },
      },
      handler: async ({ c }) => c.json({ processes: await engine.system.processes() }),
    }),
    endpoint({
      method: 'get',
      path: paths.api.systemDisk,
      tag,
      summary: 'What uses how much of the disk: projects, caches, backups',
      access: 'server.read',
      answers: { 200: { description: 'as measured within the last minute', schema: shapes.diskReport } },
      handler: async ({ c }) => c.json(await engine.disk.report()),
    }),
    endpoint({
      method: 'post',
      path: paths.api.cleanDisk,
      tag,
      summary: 'Remove what nothing needs any more now, as the server does every hour',
      access: 'server.manage',
      answers: { 200: { description: 'what was removed', schema: shapes.cleaning } },
      handler: async ({ c, who }) => c.json(await engine.disk.clean(who)),
    }),
    healthEndpoint(services),
  ]
}

function healthEndpoint({ health, version }: Services): Endpoint {
  return endpoint({
    method: 'get',
    path: paths.health,
    tag,
    summary: 'Whether the server and what it stands on are well',
    access: 'anyone',
    answers: {
      200: { description: 'all is well', schema: shapes.health },
      503: { description: 'something is not', schema: shapes.health },
    },
    async handler({ c }) {
      const checks = await health()
      const well = Object.values(checks).every(Boolean)
      const words = Object.fromEntries(
        Object.entries(checks).map(([name, ok]) => [name, ok ? 'ok' : 'failed']),
      )
      return c.json({ status: well ? 'ok' : 'degraded', version, checks: words }, well ? 200 : 503)
    },
  })
}
