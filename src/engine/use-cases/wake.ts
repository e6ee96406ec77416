import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from '../context.ts'
import { asRefusal, isRefusal } from '../domain/refusal.ts'
import { switchRoutes } from '../pipeline/switch-routes.ts'
import { untilItCould } from '../pipeline/until-it-could.ts'
import type { ProjectRow } from '../store/projects.ts'
import { bootGeneration } from './boot-generation.ts'

/** A project that could not be woken is not tried again before this, then before twice as long, ms. */
const [firstPauseMs, longestPauseMs] = [1_000, 60_000]

/** A process manager that starts anew is waited for so long while requests wait, and asked so often, ms. */
const [longestLackMs, lackPauseMs] = [20_000, 250]

/** For those who asked, strangers among them: the reason is for its owner. */
const sentence = 'It was asleep, and the app did not start. Its owner can see why.'

interface Failure {
  readonly release: number | null
  /** Of which sleep. */
  readonly asleepAt: string | null
  readonly pauseMs: number
  /** Milliseconds since 1970. */
  readonly until: number
}

/** Wakes projects that the front door has a request for: one boot, however many wait for it. */
export function createWakes(ctx: Context) {
  /** Whether it was asked for again meanwhile. */
  const underWay = new Map<number, { again: boolean }>()
  const failures = new Map<number, Failure>()
  let forget = () => {}

  const wake = async ({ id, name }: ProjectRow): Promise<void> => {
    const failure = await bootOnce(id)
    if (!failure || ctx.closing.aborted) return
    const retryAfterS = Math.max(1, Math.ceil((failure.until - ctx.clock()) / 1_000))
    await untilItCould(ctx, `telling who waits for ${name}`, async () => {
      await ctx.router.refuseWake(name, { sentence, retryAfterS })
    })
  }
  /** With the turn. Returns why it is not awake, null where it is. */
  const bootOnce = async (id: number): Promise<Failure | null> => {
    // a build goes on for longer than a request can wait
    const end = await ctx.turns.takeOrJoin(id, ctx.closing)
    try {
      const project = ctx.store.projects.find(id)
      if (!project || project.asleepAt === null) {
        // woken or stopped meanwhile: those that wait must hear of it
        await switchRoutes(ctx)
        return null
      }
      const failure = lastFailure(project)
      return failure && ctx.clock() < failure.until ? failure : await boot(project)
    } finally {
      end()
    }
  }
  /** Whoever started it meanwhile, or gave it another release, has changed what was wrong. */
  const lastFailure = ({ id, currentRelease, asleepAt }: ProjectRow): Failure | undefined => {
    const failure = failures.get(id)
    return failure?.release === currentRelease && failure.asleepAt === asleepAt ? failure : undefined
  }
  const boot = async (project: ProjectRow): Promise<Failure | null> => {
    const { id, name, currentRelease: release, asleepAt } = project
    try {
      const began = performance.now()
      await bootPatiently(ctx, project)
      failures.delete(id)
      ctx.report.info(`${name} was woken in ${Math.round(performance.now() - began)} ms`)
      return null
    } catch (error) {
      // the next server is told of those that wait
      if (ctx.closing.aborted) return null
      const refusal = asRefusal(error)
      if (refusal.code === 'internal') ctx.report.error(`waking ${name}`, error)
      ctx.report.info(`${name} could not be woken: ${refusal.message}`)
      ctx.store.projects.update(id, { wakeProblem: refusal.message })
      const before = lastFailure(project)?.pauseMs ?? firstPauseMs / 2
      const pauseMs = Math.min(before * 2, longestPauseMs)
      const failure = { release, asleepAt, pauseMs, until: ctx.clock() + pauseMs }
      failures.set(id, failure)
      return failure
    }
  }
  const heard = (name: string): void => {
    const project = ctx.store.projects.find(name)
    if (!project || ctx.closing.aborted) return
    const now = underWay.get(project.id)
    if (now) now.again = true
    else ctx.background.run(`waking ${name}`, () => wakeWhileAsked(project))
  }
  /** Who came when those before were just being refused still waits. */
  const wakeWhileAsked = async (project: ProjectRow): Promise<void> => {
    const asked = { again: true }
    underWay.set(project.id, asked)
    try {
      while (asked.again) {
        asked.again = false
        await wake(project)
        asked.again &&= ctx.store.projects.find(project.id)?.asleepAt != null
      }
    } finally {
      underWay.delete(project.id)
    }
  }

  return {
    /** From now on. */
    listen(): void {
      forget = ctx.router.onWake(heard)
    },
    /** The server ends. */
    stop: (): void => forget(),
  }
}

/** Where the process manager is away for a moment, that is no fault of the app. */
async function bootPatiently(ctx: Context, project: ProjectRow): Promise<void> {
  const deadline = performance.now() + longestLackMs
  for (;;) {
    try {
      return await bootGeneration(ctx, project)
    } catch (error) {
      if (!isRefusal(error, 'unavailable') || performance.now() > deadline) throw error
      await pause(lackPauseMs, undefined, { signal: ctx.closing })
    }
  }
}
