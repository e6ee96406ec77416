import type { CronRun } from '../engine/domain/cron-run.ts'
import type { CronJobView } from '../engine/use-cases/cron.ts'

/** The public shapes of scheduled jobs (`api/shapes-cron.ts`). */

export function presentCronJob({ lastRun, ...job }: CronJobView) {
  const { name, schedule, command, timezone, timeoutMs, source, nextRunAt } = job
  const last = lastRun && presentCronRun(lastRun)
  return { name, schedule, command, timezone, timeoutMs, source, nextRunAt, lastRun: last }
}

export function presentCronRun({ projectId: _, ...run }: CronRun) {
  const { startedAt, finishedAt } = run
  const ms = startedAt && finishedAt ? Date.parse(finishedAt) - Date.parse(startedAt) : null
  return { ...run, ms }
}
