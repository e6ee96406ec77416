import { rm } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from '../context.ts'
import type { NamedCronJob } from '../domain/cron.ts'
import type { CronOutcome, CronRun } from '../domain/cron-run.ts'
import { Refusal } from '../domain/refusal.ts'
import type { ProjectRow } from '../store/projects.ts'
import { carryOut, interrupted } from './carry-out.ts'
import { followsSchedule, jobsOf, liveReleaseOf } from './jobs-of.ts'
import { createSlots } from './slots.ts'
import { furthestBackMs, stretchSince, tickIn, untilNextMinute } from './ticks.ts'

/** Kept of each job: so many runs, for so long; the last one stays. */
const keepRuns = 25
const keepMs = 30 * 86_400_000

/** Runs that have ended since the server was started, for a counter. */
export interface CronCount {
  readonly project: string
  readonly result: CronOutcome['status']
  readonly count: number
}

export type Scheduler = ReturnType<typeof createScheduler>

interface UnderWay {
  readonly id: number
  readonly controller: AbortController
  readonly ended: Promise<unknown>
}

/** Follows the schedules of all projects. Nothing runs by itself until `start`. */
export function createScheduler(ctx: Context) {
  const { store, clock } = ctx
  const slots = createSlots(ctx.cronRuns)
  /** By project and job: none runs twice at once. */
  const underWay = new Map<string, UnderWay>()
  const counts = new Map<string, Map<CronOutcome['status'], number>>()
  /** The end of the last look, ms. */
  let seen = clock()
  let timer: NodeJS.Timeout | undefined

  /** Starts what the schedules have asked for since the last look. */
  const look = (): void => {
    const stretch = stretchSince(seen, clock())
    seen = stretch.to
    if (ctx.closing.aborted || stretch.from === stretch.to) return
    for (const project of store.projects.list().filter(followsSchedule)) {
      for (const job of jobsOf(project, liveReleaseOf(store, project))) {
        const tick = tickIn(job, stretch)
        if (tick !== null) follow(project, job, tick)
      }
    }
  }

  const follow = (project: ProjectRow, job: NamedCronJob, tick: number): void => {
    const before = underWay.get(keyOf(project, job.name))
    try {
      if (before) store.cronRuns.skip(before.id)
      else begin(project, job, { by: 'schedule', scheduledAt: new Date(tick).toISOString() })
    } catch (error) {
      // a full disk for example: the other jobs are not to suffer for it
      ctx.report.error(`the job ${job.name} of ${project.name} could not be started`, error)
    }
  }

  const begin = (
    project: ProjectRow,
    job: NamedCronJob,
    how: Pick<CronRun, 'by' | 'scheduledAt'>,
  ): number => {
    const id = store.cronRuns.create({ projectId: project.id, job: job.name, command: job.command, ...how })
    const controller = new AbortController()
    const key = keyOf(project, job.name)
    const ended = perform(project.id, job, id, controller, how.scheduledAt !== null)
      .then((outcome) => finish(ctx, id, outcome).then(() => count(project.name, outcome.status)))
      .catch((error: unknown) => ctx.report.error(`the end of run ${id} of ${project.name}`, error))
      .then(() => prune(project))
      .finally(() => underWay.delete(key))
    underWay.set(key, { id, controller, ended })
    return id
  }

  /** Waits for a slot, and looks then at what is live. */
  const perform = async (
    projectId: number,
    job: NamedCronJob,
    id: number,
    controller: AbortController,
    onSchedule: boolean,
  ): Promise<CronOutcome> => {
    let leave: () => void
    try {
      leave = await slots.take(projectId, AbortSignal.any([controller.signal, ctx.closing]))
    } catch {
      return ctx.closing.aborted ? interrupted : cancelled('it was cancelled before it began')
    }
    try {
      const project = store.projects.find(projectId)
      const release = project && liveReleaseOf(store, project)
      if (!release || (onSchedule && !followsSchedule(project))) {
        return cancelled('the project was stopped before it began')
      }
      store.cronRuns.begin(id, release.number)
      return await carryOut(ctx, { id, project, job, release }, controller)
    } finally {
      leave()
    }
  }

  const count = (project: string, result: CronOutcome['status']) => {
    const ofProject = counts.get(project) ?? new Map<CronOutcome['status'], number>()
    counts.set(project, ofProject.set(result, (ofProject.get(result) ?? 0) + 1))
  }

  const prune = async ({ id, name }: ProjectRow): Promise<void> => {
    try {
      const olderThan = new Date(clock() - keepMs).toISOString()
      for (const run of store.cronRuns.prune(id, keepRuns, olderThan)) {
        await rm(ctx.paths.cronLog(name, run), { force: true })
      }
    } catch (error) {
      ctx.report.error(`removing old runs of ${name}`, error)
    }
  }

  const loop = () => {
    timer = setTimeout(() => {
      try {
        look()
      } catch (error) {
        ctx.report.error('the scheduled jobs could not be looked at', error)
      }
      loop()
    }, untilNextMinute(clock())).unref()
  }

  return {
    /** From now on; what was due while nobody looked is not made up for, and nothing that ran runs again. */
    start(): void {
      if (timer) return
      const latest = Date.parse(store.cronRuns.latestTick() ?? '')
      const now = clock()
      seen = latest > now && latest - now <= furthestBackMs ? latest : now
      loop()
    },
    /** Nothing begins any more; resolves when what was under way has ended, as `ctx.closing` asks it to. */
    async stop(): Promise<void> {
      clearTimeout(timer)
      await Promise.all([...underWay.values()].map(({ ended }) => ended))
    },
    /** One look, for tests with a clock of their own. */
    look,
    /** Resolves when nothing is under way any more. */
    async idle(): Promise<void> {
      while (underWay.size > 0) await Promise.all([...underWay.values()].map(({ ended }) => ended))
    },
    /** Runs a job now, whatever its schedule says; the number of the run. Refuses with `conflict`. */
    run(project: ProjectRow, job: NamedCronJob, by: string): number {
      ctx.closing.throwIfAborted()
      const before = underWay.get(keyOf(project, job.name))
      if (!before) return begin(project, job, { by, scheduledAt: null })
      throw new Refusal('conflict', `${job.name} runs already: run ${before.id}`, {
        hint: 'wait for its end, or cancel it',
      })
    },
    /** Asks a run to end; one that has ended is left as it is. */
    cancel(run: CronRun): void {
      const found = [...underWay.values()].find(({ id }) => id === run.id)
      found?.controller.abort(new Refusal('cancelled', 'the run was cancelled'))
    },
    counts(): CronCount[] {
      return [...counts].flatMap(([project, ofProject]) =>
        [...ofProject].map(([result, number]) => ({ project, result, count: number })),
      )
    },
  }
}

function keyOf(project: ProjectRow, job: string): string {
  return `${project.id} ${job}`
}

function cancelled(message: string): CronOutcome {
  return { status: 'cancelled', error: { code: 'cancelled', message } }
}

const againMs = 5_000

/** On a full disk even this cannot be written: it is tried until it can, or until the next start does it. */
async function finish(ctx: Context, id: number, outcome: CronOutcome): Promise<void> {
  for (;;) {
    try {
      await ctx.failpoint('cron.ended')
      return ctx.store.cronRuns.finish(id, outcome)
    } catch (error) {
      if (ctx.closing.aborted) throw error
      ctx.report.error(`the end of run ${id} could not be written yet`, error)
      await pause(againMs, undefined, { signal: ctx.closing, ref: false }).catch(() => {})
    }
  }
}
