import type { Context } from '../context.ts'
import { isRefusal } from '../domain/refusal.ts'
import { fallAsleep } from '../pipeline/fall-asleep.ts'
import { isWorker } from '../pipeline/workers.ts'
import type { TrafficReport } from '../ports.ts'
import type { ProjectRow } from '../store/projects.ts'

/** How often it is looked who is idle, at most, ms. */
const longestPauseMs = 30_000

export interface IdleWatch {
  /** From now on, until the server ends. */
  start(): void
  /** One look at every project that may sleep; resolves when those that are idle sleep. */
  look(): Promise<void>
}

/** How often a project was asked and by which processes it answers: where this is the same, nobody has asked. */
interface Activity {
  readonly mark: string
  readonly open: number
}

/**
 * Lets projects fall asleep that nobody has asked for `sleepAfterMinutes`: no request has come through the front door
 * and none is open, WebSockets among them. The time begins with the server, with every generation of its processes,
 * and anew where the front door has begun to count anew.
 */
export function createIdleWatch(ctx: Context): IdleWatch {
  const minuteMs = ctx.limits.sleepMinuteMs
  const since = new Map<number, { readonly mark: string; readonly at: number }>()

  const look = async (): Promise<void> => {
    const projects = ctx.store.projects.list().filter((project) => maySleep(ctx, project))
    for (const id of since.keys()) if (!projects.some((project) => project.id === id)) since.delete(id)
    if (projects.length === 0) return
    const report = await ctx.router.traffic()
    for (const project of projects) {
      const { mark, open } = activityOf(ctx, project, report)
      const now = ctx.clock()
      const known = since.get(project.id)
      // a clock may be set back
      if (!known || known.mark !== mark || open > 0 || known.at > now)
        since.set(project.id, { mark, at: now })
      else if (now - known.at >= (project.settings.sleepAfterMinutes ?? 0) * minuteMs) {
        await letSleep(ctx, project, mark)
      }
    }
  }
  const lookSafely = async () => {
    if (ctx.closing.aborted) return
    await look().catch((error: unknown) => {
      // a front door that is away for a moment is asked again by the next look
      if (ctx.closing.aborted || isRefusal(error, 'unavailable')) return
      ctx.report.error('looking for idle projects failed', error)
    })
  }

  return {
    look,
    start() {
      const again = () => {
        const round = () => ctx.background.run('looking for idle projects', () => lookSafely().finally(again))
        if (!ctx.closing.aborted) setTimeout(round, Math.min(longestPauseMs, minuteMs / 2)).unref()
      }
      again()
    },
  }
}

/**
 * It is set so, and web answers by processes: files of a static release cost nothing, and without web no request could
 * wake it.
 */
function maySleep(ctx: Context, { id, settings, status, asleepAt }: ProjectRow): boolean {
  if (settings.sleepAfterMinutes === null || status === 'stopped' || asleepAt !== null) return false
  return ctx.store.instances.ofProject(id, 'serving').some((row) => !isWorker(row))
}

/**
 * What a deployment, a command or a job is at work on stays awake, and so does what is kept beside a new release in
 * its first minute.
 */
function isAtWork(ctx: Context, { id }: ProjectRow): boolean {
  if (ctx.store.deployments.isBusy(id) || [...ctx.runs].some(({ projectId }) => projectId === id)) return true
  return ctx.store.instances.ofProject(id).some(({ state }) => state !== 'serving')
}

/** With its turn. Who is at work on the project is left to the next look. */
async function letSleep(ctx: Context, { id, name }: ProjectRow, mark: string): Promise<void> {
  if (ctx.turns.busy(id)) return
  const end = await ctx.turns.take(id, ctx.closing)
  try {
    const project = ctx.store.projects.find(id)
    if (!project || !maySleep(ctx, project) || isAtWork(ctx, project)) return
    const isQuiet = async () => {
      const now = activityOf(ctx, project, await ctx.router.traffic())
      return now.open === 0 && now.mark === mark
    }
    if (!(await isQuiet()) || !(await fallAsleep(ctx, project, isQuiet))) return
    ctx.report.info(`${name} sleeps: nobody has asked for it for ${project.settings.sleepAfterMinutes} min`)
  } finally {
    end()
  }
}

function activityOf(ctx: Context, { id, name }: ProjectRow, report: TrafficReport): Activity {
  const counts = report.projects.filter(({ project }) => project === name)
  const requests = counts.reduce((sum, one) => sum + one.requests, 0)
  const open = counts.reduce((sum, one) => sum + one.open, 0)
  const generations = ctx.store.instances.ofProject(id).map(({ generation }) => generation)
  return { mark: `${report.since} ${requests} ${Math.max(0, ...generations)}`, open }
}
