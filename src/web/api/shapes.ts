import { z } from 'zod'
import { comparison, releaseShare } from '../../engine/domain/comparison.ts'
import { stepNames } from '../../engine/domain/deployment.ts'
import { settingsChange } from '../../engine/domain/settings.ts'

/** What the API answers. Made for the document and for tests; the values come from `present.ts`. */

export const time = z.iso
  .datetime()
  .meta({ description: 'ISO 8601, UTC', example: '2026-03-01T12:04:11.000Z' })

export const instance = z
  .strictObject({
    name: z.string().meta({ example: 'web.1' }),
    type: z.string().meta({ example: 'web' }),
    pid: z.number().int().nullable(),
    port: z.number().int().nullable(),
    status: z.string().meta({ example: 'online' }),
    cpu: z.number().meta({ description: 'percent of one core' }),
    memoryBytes: z.number().int(),
    restarts: z.number().int(),
    uptimeMs: z.number(),
    release: z.number().int(),
    problem: z
      .string()
      .nullable()
      .meta({ description: 'why it ends again and again, or was ended for good; null: neither' }),
    lastLines: z
      .array(z.string())
      .meta({ description: 'with a problem: what it wrote before it ended, ten lines at most' }),
    lastExit: z
      .strictObject({
        reason: z.enum(['out_of_memory', 'crashed']),
        message: z.string().meta({ example: 'it exited with code 1' }),
        time,
      })
      .nullable()
      .meta({ description: 'how it ended the last time since the server started; null: it did not' }),
  })
  .meta({ id: 'Instance', description: 'One running copy of a process type.' })

/** As they are: always all of them. */
const settingsShape = z.strictObject(settingsChange.shape).required().shape

export const project = z
  .strictObject({
    id: z.number().int(),
    name: z.string().meta({ example: 'shop' }),
    displayName: z.string().meta({ example: 'Shop' }),
    url: z.string().meta({ example: 'https://shop.example.com' }),
    gitUrl: z.string().meta({ example: 'https://example.com/git/shop.git' }),
    previewOf: z.string().nullable().meta({ description: 'the project it is a preview of' }),
    previewBranch: z.string().nullable(),
    status: z.enum(['running', 'stopped', 'error']),
    sleeping: z.boolean().meta({ description: 'nothing of it runs until the next request wakes it' }),
    sleepingSince: time.nullable(),
    wakeProblem: z.string().nullable().meta({ description: 'why the last request could not wake it' }),
    deploying: z.boolean(),
    startCommand: z.string().meta({ description: 'empty: the app says how it starts' }),
    port: z.number().int().nullable(),
    deployBranch: z.string(),
    healthPath: z.string().nullable(),
    bootTimeoutMs: z.number().int(),
    keepReleases: z.number().int().nullable().meta({ description: 'null: the setting of the server' }),
    privateModules: z.boolean(),
    memoryLimitMb: z.number().int().nullable(),
    overlapWorkers: z
      .boolean()
      .meta({ description: 'workers of a new release do not wait for the old ones to end' }),
    ...settingsShape,
    release: z.number().int().nullable(),
    processes: z
      .record(z.string(), z.number().int())
      .meta({ description: 'wanted instances by process type', example: { web: 1 } }),
    static: z.boolean().meta({
      description: 'its live release is files that the front door serves, without a process of web',
    }),
    instances: z.array(instance),
    domains: z.array(z.string()),
    createdAt: time,
    updatedAt: time,
  })
  .meta({ id: 'Project', description: 'A named thing that is deployed.' })

const source = z.strictObject({
  kind: z.enum(['git', 'zip', 'tar', 'release']),
  revision: z.string().meta({ example: '9f3c2ab4c1f8e0d2b7a6958473625140abcdef01' }),
  message: z.string().nullable().meta({ example: 'Fix cart total' }),
})

const side = releaseShare.meta({ description: 'requests that were answered, and those with 500 and above' })
const comparisonShape = comparison.extend({ current: side, before: side }).meta({
  id: 'Comparison',
  description:
    'The first minute of its release beside the release before it; null: not live, or nothing was live before.',
})

export const deployment = z
  .strictObject({
    number: z.number().int(),
    status: z.enum(['queued', 'running', 'live', 'failed', 'cancelled', 'superseded', 'retired']),
    source,
    release: z.number().int().nullable().meta({ description: 'null unless it went live' }),
    startedAt: time,
    finishedAt: time.nullable(),
    steps: z.array(
      z.strictObject({
        name: z.enum(stepNames),
        status: z.enum(['running', 'done', 'failed', 'skipped']),
        ms: z.number().nullable(),
        note: z.string(),
      }),
    ),
    error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() }).nullable(),
    by: z.string().meta({ example: 'ana' }),
    comparison: comparisonShape.nullable(),
  })
  .meta({ id: 'Deployment', description: 'One attempt to make something live.' })

export const release = z
  .strictObject({
    number: z.number().int(),
    deployment: z.number().int(),
    source,
    current: z.boolean(),
    available: z.boolean().meta({ description: 'whether its files are still kept' }),
    createdAt: time,
  })
  .meta({ id: 'Release', description: 'A numbered pair of files and config vars; never edited.' })

export const user = z
  .strictObject({ id: z.number().int(), username: z.string(), role: z.enum(['admin', 'member']) })
  .meta({ id: 'User' })

export const session = z.strictObject({ token: z.string(), expiresAt: time, user })

export const token = z
  .strictObject({
    id: z.number().int(),
    name: z.string(),
    scope: z.enum(['push', 'read', 'admin']),
    project: z.number().int().nullable().meta({ description: 'null: every project of its owner' }),
    user: z.string().meta({ description: 'its owner', example: 'ana' }),
    createdAt: time,
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable(),
  })
  .meta({ id: 'Token', description: 'A credential for programs; its secret is shown once.' })

export const logLine = z
  .strictObject({
    time: z.string(),
    instance: z.string(),
    stream: z.enum(['out', 'err']),
    line: z.string(),
  })
  .meta({ id: 'LogLine' })

export const problem = z
  .object({
    type: z.string().meta({ example: 'urn:nodepilot:problem:not_found' }),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string(),
    hint: z.string().optional(),
    errors: z.array(z.strictObject({ field: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457: `detail` is a sentence for people, `hint` the next step.' })

export const projectAnswer = z.strictObject({ project })
export const deploymentAnswer = z.strictObject({ deployment })
export const deployed = z.strictObject({ project, deployment })
export const failedDeployment = problem.extend({ deployment: deployment.optional() })
export const userAnswer = z.strictObject({ user })
export const envVars = z.strictObject({
  envVars: z.record(z.string(), z.string()).meta({ example: { LOG_LEVEL: 'debug' } }),
  scopes: z.record(z.string(), z.enum(['run', 'build'])).meta({
    description: 'those that are not for builds and processes alike',
    example: { API_KEY: 'run' },
  }),
  locked: z.array(z.string()).meta({
    description: 'those that cannot be read: this home was restored without the key they are sealed with',
  }),
})
