import type { Context } from '../context.ts'
import { endJob } from '../shell.ts'
import { cronMark, interrupted } from './carry-out.ts'

/** At start: runs that a dead server left are marked, and what is left of them ends. They are not run again. */
export async function endInterruptedRuns(ctx: Context): Promise<void> {
  for (const { id, startedAt } of ctx.store.cronRuns.unfinished()) {
    if (startedAt !== null) await endJob(cronMark(ctx.paths.home, id))
    ctx.store.cronRuns.finish(id, interrupted)
  }
}
