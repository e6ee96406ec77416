import { writeCursor } from '../app-log/cursor.ts'
import { createFollowers, type FollowQuery, type LogBatch } from '../app-log/follow.ts'
import { readNewest } from '../app-log/history.ts'
import type { AppLogLine, LogFilter, LogQuery } from '../app-log/line.ts'
import { readWhole } from '../app-log/whole.ts'
import { readAppLog } from '../app-log.ts'
import type { Context } from '../context.ts'
import type { ProjectRow } from '../store/projects.ts'

export type AppLogCases = ReturnType<typeof createAppLogCases>

/** What a project's apps wrote and write. */
export function createAppLogCases(ctx: Context) {
  const followers = createFollowers({
    clock: ctx.clock,
    onError: (error) => ctx.report.error('following a log', error),
  })
  const logOf = (project: ProjectRow) => ctx.secrets.appLog(project.name)

  return {
    /** The newest matching lines, oldest first. */
    read: (project: ProjectRow, query: LogQuery): Promise<AppLogLine[]> => readAppLog(logOf(project), query),

    /** The same, and the cursor from which `follow` goes on without loss or repetition. */
    async page(project: ProjectRow, query: LogQuery): Promise<{ lines: AppLogLine[]; cursor: string }> {
      const { lines, to } = await readNewest(logOf(project), query, { now: ctx.clock() })
      return { lines: lines.map(({ line }) => line), cursor: writeCursor(to) }
    },

    /**
     * The newest `lines`, or everything since `after`, then each line as it is written, in batches. Who reads too
     * slowly gets `{gap}` in place of what was missed. Ends with the signal or the server. Refuses a bad
     * `after` with `invalid`.
     */
    follow: (project: ProjectRow, query: FollowQuery, signal: AbortSignal): AsyncGenerator<LogBatch> =>
      followers.follow(logOf(project), query, AbortSignal.any([signal, ctx.closing])),

    /** Everything there is, by time. */
    whole: (project: ProjectRow, filter: LogFilter, signal: AbortSignal): AsyncGenerator<AppLogLine> =>
      readWhole(logOf(project), filter, signal),
  }
}
