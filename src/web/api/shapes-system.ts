import { z } from 'zod'
import { deployment, time } from './shapes.ts'

/** What the API answers about the machine and about numbers over time. */

const values = z
  .array(z.number().nullable())
  .meta({ description: 'one for each of `times`; null: not measured' })

const frame = {
  range: z.enum(['1h', '24h', '7d']),
  stepMs: z.number().int().meta({ description: 'length of a step', example: 10_000 }),
  times: z.array(time).meta({ description: 'where each step begins; the last one is under way' }),
}

export const projectMetrics = z
  .strictObject({
    ...frame,
    series: z.strictObject({
      cpu: values.meta({ description: 'percent of one core, mean of the step' }),
      memoryBytes: values,
      requests: values.meta({ description: 'in the step' }),
      errors: values.meta({ description: 'answers of 500 and above in the step' }),
      p50Ms: values.meta({ description: 'half of the answers began within this time' }),
      p95Ms: values,
      p99Ms: values,
      restarts: values.meta({ description: 'processes started again after they ended' }),
    }),
    deploys: z.array(
      z.strictObject({
        time,
        release: z.number().int(),
        number: z.number().int().meta({ description: 'of the deployment' }),
      }),
    ),
  })
  .meta({ id: 'ProjectMetrics' })

const memory = z.strictObject({ totalBytes: z.number(), usedBytes: z.number() })
const disk = z
  .strictObject({ totalBytes: z.number(), usedBytes: z.number(), freeBytes: z.number() })
  .meta({ description: 'the disk that holds the home' })
const load = z.array(z.number()).meta({ description: 'over 1, 5 and 15 minutes' })

export const systemInfo = z
  .strictObject({
    hostname: z.string(),
    os: z.strictObject({
      platform: z.string(),
      distro: z.string().meta({ example: 'Debian GNU/Linux' }),
      release: z.string(),
      kernel: z.string(),
      arch: z.string(),
    }),
    cpu: z.strictObject({ model: z.string(), cores: z.number().int(), physicalCores: z.number().int() }),
    load,
    memory,
    disk,
    node: z.string().meta({ example: 'v22.17.0' }),
    isolation: z
      .strictObject({
        processNamespace: z.boolean().meta({ description: 'builds have one of their own (unshare)' }),
        lowPriority: z.boolean().meta({ description: 'builds run at low priority (nice, ionice)' }),
        readOnlyModules: z.boolean().meta({
          description:
            'no build and no app can write to kept node_modules (setpriv where the server is root)',
        }),
      })
      .meta({
        description: 'how builds and apps are kept from harming others; what is false is not possible here',
      }),
    version: z.string().meta({ description: 'of NodePilot' }),
    pm2: z.string().meta({ description: 'version of PM2' }),
    home: z.string(),
    uptimeMs: z.number().meta({ description: 'of the machine' }),
    server: z.strictObject({ startedAt: time, uptimeMs: z.number() }),
  })
  .meta({ id: 'SystemInfo' })

export const systemMetrics = z
  .strictObject({
    cpu: z.number().nullable().meta({ description: 'percent of all cores together' }),
    load,
    memory,
    disk,
    network: z
      .strictObject({ rxBytes: z.number(), txBytes: z.number() })
      .nullable()
      .meta({ description: 'since the machine started, without loopback; null where it is not known' }),
    ...frame,
    series: z.strictObject({
      cpu: values,
      memoryBytes: values,
      diskUsedBytes: values,
      load: values,
      rxBytesPerSecond: values,
      txBytesPerSecond: values,
    }),
  })
  .meta({ id: 'SystemMetrics' })

export const systemProcess = z
  .strictObject({
    kind: z.enum(['instance', 'server', 'router', 'pm2']),
    name: z.string().meta({ example: 'shop web.1' }),
    project: z.string().nullable(),
    type: z.string().nullable(),
    instance: z.string().nullable().meta({ example: 'web.1' }),
    release: z.number().int().nullable(),
    pid: z.number().int().nullable(),
    status: z.string().meta({ example: 'online' }),
    cpu: z.number().meta({ description: 'percent of one core' }),
    memoryBytes: z.number(),
    restarts: z.number().int(),
    uptimeMs: z.number(),
  })
  .meta({ id: 'SystemProcess', description: 'A process that NodePilot runs, or a part of NodePilot itself.' })

const size = z.number().meta({ description: 'bytes' })
export const cleaning = z
  .strictObject({
    at: z.string(),
    freedBytes: size,
    removed: z.array(
      z.strictObject({ what: z.string().meta({ example: 'deployment logs' }), count: z.number().int() }),
    ),
  })
  .meta({ id: 'DiskCleaning' })

export const diskReport = z
  .strictObject({
    measuredAt: z.string(),
    disk: z.strictObject({ totalBytes: size, freeBytes: size, minFreeBytes: size }),
    projects: z.array(
      z.strictObject({
        name: z.string(),
        bytes: size,
        releasesBytes: size,
        dataBytes: size,
        repositoryBytes: size,
        logsBytes: size,
        buildHomeBytes: size,
      }),
    ),
    parts: z.array(z.strictObject({ name: z.string().meta({ example: 'kept node_modules' }), bytes: size })),
    lastCleaning: cleaning.nullable(),
  })
  .meta({
    id: 'DiskReport',
    description: 'What several share (kept node_modules) counts once, under the caches.',
  })

const check = z.enum(['ok', 'failed'])
export const health = z
  .strictObject({
    status: z.enum(['ok', 'degraded']),
    version: z.string(),
    checks: z.strictObject({ database: check, runtime: check, router: check, disk: check }),
  })
  .meta({ id: 'Health' })

export const deploymentPage = z.strictObject({
  deployments: z.array(deployment.extend({ project: z.string().meta({ example: 'shop' }) })),
  next: z
    .number()
    .int()
    .nullable()
    .meta({ description: '`before` of the next page; null: this is the last' }),
})
