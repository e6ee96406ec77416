import { z } from 'zod'

/**
 * How a release is run, beside its commands: read when it is built and kept with it, so that a rollback runs it
 * as it was. What an older release does not name has its default.
 */
export const releasePlan = z.object({
  /** The app's folder below the slug, `apps/web`; '' for the top. */
  rootDir: z.string().default(''),
})

export type ReleasePlan = z.infer<typeof releasePlan>

export const plainPlan: ReleasePlan = releasePlan.parse({})
