import { z } from 'zod'
import { storedCronJob } from './cron.ts'

/**
 * How a release is run, beside its commands: read when it is built and kept with it, so that a rollback runs it
 * as it was. What an older release does not name has its default.
 */
export const releasePlan = z.object({
  /** The app's folder below the slug, `apps/web`; '' for the top. */
  rootDir: z.string().default(''),
  /** The exact version of Node, `22.11.0`; null: the server's own. */
  node: z.string().nullable().default(null),
  /** Scheduled jobs of the app file; those of the project's settings win, and are in force at once. */
  cron: z.array(storedCronJob).default([]),
})

export type ReleasePlan = z.infer<typeof releasePlan>

export const plainPlan: ReleasePlan = releasePlan.parse({})
