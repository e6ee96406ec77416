import { z } from 'zod'

/** What one release was asked in a stretch of time, as far as it is compared. */
export const releaseShare = z.strictObject({
  release: z.number().int(),
  /** Answered ones: whose client left before there was an answer says nothing about the release. */
  requests: z.number(),
  /** Answers of 500 and above, those of the front door for an app that did not answer among them. */
  errors: z.number(),
  /** Until an answer began; null: there was none. */
  p50Ms: z.number().nullable(),
  p95Ms: z.number().nullable(),
})
export type ReleaseShare = z.infer<typeof releaseShare>

export const verdicts = ['worse', 'not_worse', 'too_few'] as const
export type Verdict = (typeof verdicts)[number]

/** How a new release does beside the one before it, in its first minute. */
export const comparison = z.strictObject({
  /**
   * First, for the index: `watching`: the minute is not over. `ended`: another release took over before, or it was
   * stopped. `switched_back`: the regression guard took it out of service.
   */
  state: z.enum(['watching', 'done', 'ended', 'switched_back']),
  /** The regression guard was on: the release before was kept running. */
  guarded: z.boolean(),
  /** ISO 8601, UTC. */
  since: z.string(),
  until: z.string(),
  current: releaseShare,
  /** Its last ten minutes before the switch, or all of it where those were too few requests. */
  before: releaseShare,
  verdict: z.enum(verdicts),
  /** One sentence. */
  reason: z.string(),
  /** The deployment that brought the release before back. */
  switchedBackBy: z.number().int().nullable(),
})
export type Comparison = z.infer<typeof comparison>

/** From the database; what another version wrote differently is left out. */
export function readComparison(text: string | null): Comparison | null {
  if (text === null) return null
  const found = comparison.safeParse(JSON.parse(text))
  return found.success ? found.data : null
}
