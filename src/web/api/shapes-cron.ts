import { z } from 'zod'
import { cronRunStatuses } from '../../engine/domain/cron-run.ts'
import { time } from './shapes.ts'

export const cronRun = z
  .strictObject({
    id: z.number().int(),
    job: z.string().meta({ example: 'node-tick-js' }),
    command: z.string().meta({ example: 'node tick.js' }),
    by: z.string().meta({ description: '`schedule`, or who started it by hand' }),
    status: z
      .enum(cronRunStatuses)
      .meta({ description: 'interrupted: the server ended in the middle of it; it is not run again' }),
    release: z.number().int().nullable(),
    scheduledAt: time.nullable().meta({ description: 'null: started by hand' }),
    queuedAt: time,
    startedAt: time.nullable(),
    finishedAt: time.nullable(),
    ms: z.number().nullable().meta({ description: 'how long it ran' }),
    exitCode: z.number().int().nullable(),
    error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    skipped: z
      .number()
      .int()
      .meta({ description: 'how often the schedule came round while this run was not over' }),
  })
  .meta({ id: 'CronRun', description: 'One run of a scheduled job.' })

export const cronJobView = z
  .strictObject({
    name: z.string().meta({ example: 'node-tick-js' }),
    schedule: z.string().meta({ example: '*/5 * * * *' }),
    command: z.string().meta({ example: 'node tick.js' }),
    timezone: z.string().meta({ example: 'UTC' }),
    timeoutMs: z.number().int(),
    source: z.enum(['settings', 'app']).meta({ description: 'where it is written down' }),
    nextRunAt: time.nullable().meta({ description: 'null: the project is stopped or was never live' }),
    lastRun: cronRun.nullable(),
  })
  .meta({ id: 'CronJob', description: 'A command that runs at times of its own in the live release.' })

export const cronJobs = z.strictObject({ jobs: z.array(cronJobView) })
export const cronRunsAnswer = z.strictObject({ runs: z.array(cronRun) })
export const cronRunAnswer = z.strictObject({ run: cronRun })
