import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from '../context.ts'
import { followsSchedule, jobsOf, liveReleaseOf } from '../cron/jobs-of.ts'
import { createScheduler } from '../cron/scheduler.ts'
import type { Who } from '../domain/audit.ts'
import { type NamedCronJob, nextRunAfter } from '../domain/cron.ts'
import type { CronRun } from '../domain/cron-run.ts'
import { Refusal } from '../domain/refusal.ts'
import type { CronRunsPage } from '../store/cron-runs.ts'
import type { ProjectRow } from '../store/projects.ts'

/** A scheduled job as it stands. */
export interface CronJobView extends NamedCronJob {
  /** Where it is written down. */
  readonly source: 'settings' | 'app'
  /** null: the project is stopped, or was never live. */
  readonly nextRunAt: string | null
  /** The newest run, which may be under way. */
  readonly lastRun: CronRun | null
}

/** Who follows a run that waits for its slot looks so often whether it has begun. */
const beginningMs = 250

export type CronCases = ReturnType<typeof createCronCases>

export function createCronCases(ctx: Context) {
  const { store } = ctx
  const scheduler = createScheduler(ctx)
  const jobs = (project: ProjectRow): readonly NamedCronJob[] =>
    jobsOf(project, liveReleaseOf(store, project))

  const lastEnded = (project: ProjectRow): CronRun[] => {
    const names = new Set(jobs(project).map(({ name }) => name))
    return names.size === 0 ? [] : store.cronRuns.lastEnded(project.id).filter(({ job }) => names.has(job))
  }

  const find = (project: ProjectRow, id: number): CronRun => {
    const run = store.cronRuns.find(project.id, id)
    if (run) return run
    throw new Refusal('not_found', `${project.name} has no run ${id} of a scheduled job`, {
      hint: 'old runs are removed: the newest 25 of each job are kept for 30 days',
    })
  }

  return {
    start: scheduler.start,
    stop: scheduler.stop,
    look: scheduler.look,
    idle: scheduler.idle,
    counts: scheduler.counts,

    /** The jobs that are in force, in the order in which they are written. */
    jobs(project: ProjectRow): CronJobView[] {
      const newest = store.cronRuns.newest(project.id)
      const source = project.settings.cron === null ? 'app' : 'settings'
      const on = followsSchedule(project)
      return jobs(project).map((job) => {
        const next = on ? nextRunAfter(job, ctx.clock()) : null
        const nextRunAt = next === null ? null : new Date(next).toISOString()
        return { ...job, source, nextRunAt, lastRun: newest.get(job.name) ?? null }
      })
    },

    /** Newest first, of jobs that are gone too. */
    runs: (project: ProjectRow, page: CronRunsPage): CronRun[] => store.cronRuns.list(project.id, page),

    /** Refuses with `not_found`. */
    find,

    /** Runs a job now, also of a stopped project. Refuses with `not_found` or `conflict` (no release; it runs). */
    run(project: ProjectRow, name: string, who: Who): CronRun {
      const known = jobs(project)
      const job = known.find((one) => one.name === name)
      if (!job) {
        throw new Refusal('not_found', `${project.name} has no job ${name.slice(0, 60)}`, {
          hint:
            known.length > 0 ? `its jobs: ${known.map((one) => one.name).join(', ')}` : 'it has no jobs yet',
        })
      }
      if (!liveReleaseOf(store, project)) {
        throw new Refusal('conflict', `${project.name} has no release yet`, {
          hint: 'push to it, or upload an archive; then jobs can run in it',
        })
      }
      const id = scheduler.run(project, job, who.name)
      ctx.audit({ who, action: 'job.run', project, after: { job: name, run: id } })
      return find(project, id)
    },

    /** Asks a run to end. */
    cancel(project: ProjectRow, run: CronRun, who: Who): void {
      scheduler.cancel(run)
      ctx.audit({ who, action: 'job.cancel', project, after: { job: run.job, run: run.id } })
    },

    /** The output of a run: what there is, and what is still to come; as many lines together as there are. */
    async *output(project: ProjectRow, id: number, signal: AbortSignal): AsyncGenerator<readonly string[]> {
      for (;;) {
        try {
          yield* ctx.logs.pieces(ctx.paths.cronLog(project.name, id), signal)
          return
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        }
        // it has not begun, or never will
        const run = store.cronRuns.find(project.id, id)
        if (!run || run.finishedAt !== null) return
        await pause(beginningMs, undefined, { signal }).catch(() => {})
        if (signal.aborted) return
      }
    },

    /** The last runs, of jobs that still exist, that did not succeed. */
    failing: (project: ProjectRow): CronRun[] =>
      lastEnded(project).filter(({ status }) => status !== 'succeeded'),

    /** How each job of each project ended the last time; what is still to end is not among them. */
    lastEnded: (): { readonly project: ProjectRow; readonly runs: readonly CronRun[] }[] =>
      store.projects.list().map((project) => ({ project, runs: lastEnded(project) })),
  }
}
