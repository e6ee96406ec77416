import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from '../context.ts'

/** What could not be done is tried again after this long, then after twice as long, ms. */
const [firstRetryMs, longestRetryMs] = [1_000, 60_000]

/**
 * For what stands in the database already and has to become true: tried until it could be done. Rejects only when
 * the server ends, whose next start does it. `work` may be run any number of times.
 */
export async function untilItCould(ctx: Context, what: string, work: () => Promise<void>): Promise<void> {
  for (let waitMs = firstRetryMs; ; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
    try {
      return await work()
    } catch (error) {
      if (ctx.closing.aborted) throw error
      ctx.report.error(`${what} has to be tried again`, error)
      await pause(waitMs, undefined, { signal: ctx.closing })
    }
  }
}

/** Does it, or goes on trying behind: a change that stands already has succeeded for whoever asked for it. */
export async function nowOrLater(ctx: Context, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    ctx.report.error(`${what} has to be tried again`, error)
    ctx.background.run(what, () => untilItCould(ctx, what, work))
  }
}
