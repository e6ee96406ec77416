import { mkdir } from 'node:fs/promises'
import type { Context } from '../context.ts'
import { isRefusal, type Refusal } from '../domain/refusal.ts'
import type { Endpoint, GroupRef, Instance } from '../ports.ts'
import { listenersOf, portBelongsTo } from '../processes.ts'
import type { ProjectRow } from '../store/projects.ts'
import { portStolen, unhealthy, unreachable } from './diagnose.ts'
import { type ExitWatch, watchExits } from './exit-watch.ts'
import { groupOf } from './group.ts'
import { waitForHealth, waitForPort } from './health.ts'
import type { Journal, StepReport } from './journal.ts'
import { reservePort } from './reserve-port.ts'

/** What to run: one release of one project. */
export interface BootPlan {
  readonly project: ProjectRow
  readonly release: number
  /** The release whose directory holds the files. */
  readonly slug: number
  readonly directory: string
  readonly command: string
  /** For the step's line: `npm start`. */
  readonly origin: string
  readonly envVars: Readonly<Record<string, string>>
}

/** A new generation that runs beside the old one and takes no traffic yet. */
export interface Booted {
  readonly ref: GroupRef
  readonly slug: number
  readonly endpoints: readonly Endpoint[]
  readonly instances: readonly Instance[]
}

const graceMs = 10_000
/** An app that listens elsewhere this long will not come to its own port any more. */
const wrongPortMs = 15_000

/**
 * Starts a new generation and waits until it is healthy. Whatever goes wrong, only the new one is stopped.
 * Refuses with `boot_crashed`, `boot_timeout`, `wrong_port`, `health_failed`, `out_of_memory` or `cancelled`.
 */
export async function boot(
  ctx: Context,
  plan: BootPlan,
  journal: Journal,
  signal: AbortSignal,
): Promise<Booted> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await bootOnce(ctx, plan, journal, signal)
    } catch (error) {
      if (attempt < 3 && isRefusal(error) && lostItsPort(error)) continue
      throw error
    }
  }
}

/**
 * Ends a generation and forgets it. Safe at any time, for one that never ran too. One that cannot be ended
 * now stays known as retiring: the next retirement ends it.
 */
export async function discard(
  ctx: Context,
  projectId: number,
  ref: GroupRef,
  grace = graceMs,
): Promise<void> {
  ctx.store.instances.retire(projectId, ref.generation)
  await ctx.runtime.stop(ref, grace)
  ctx.store.instances.remove(projectId, ref.generation)
}

/** Undoes a candidate. Never throws: it must not hide why the candidate is given up. */
export async function discardCandidate(ctx: Context, projectId: number, ref: GroupRef): Promise<void> {
  await discard(ctx, projectId, ref, 1_000).catch((error: unknown) =>
    ctx.report.error(`a candidate of ${ref.project} could not be ended`, error),
  )
}

async function bootOnce(
  ctx: Context,
  plan: BootPlan,
  journal: Journal,
  signal: AbortSignal,
): Promise<Booted> {
  const { project, release } = plan
  const generation = ctx.store.settings.next('generation')
  const ref: GroupRef = { project: project.name, type: 'web', release, generation }
  const port = await reservePort(ctx, plan, generation)
  const watch = watchExits(ctx, ref, port, signal)
  try {
    const deadline = performance.now() + project.bootTimeoutMs
    const instances = await journal.step('Start', async (step) => {
      step.note(plan.origin)
      const started = await start(ctx, plan, ref, port)
      await reachPort(ctx, started, port, deadline, watch, step)
      return started
    })
    await journal.step('Health', (step) => passHealth(project.healthPath, port, deadline, watch, step))
    return { ref, slug: plan.slug, endpoints: [{ host: '127.0.0.1', port }], instances }
  } catch (error) {
    await discardCandidate(ctx, project.id, ref)
    throw error
  } finally {
    watch.end()
  }
}

async function start(
  ctx: Context,
  plan: BootPlan,
  ref: GroupRef,
  port: number,
): Promise<readonly Instance[]> {
  const dataDirectory = ctx.paths.data(ref.project)
  const logDirectory = ctx.paths.projectLogs(ref.project)
  await Promise.all([
    mkdir(dataDirectory, { recursive: true, mode: 0o700 }),
    mkdir(logDirectory, { recursive: true, mode: 0o700 }),
  ])
  return ctx.runtime.start(groupOf(ctx, ref, plan, { index: 1, port }))
}

/** Until the port accepts connections and it is the app's own. */
async function reachPort(
  ctx: Context,
  instances: readonly Instance[],
  port: number,
  deadline: number,
  watch: ExitWatch,
  step: StepReport,
): Promise<void> {
  const pid = instances[0]?.pid ?? null
  const waited = performance.now()
  const firstLook = Math.min(wrongPortMs, deadline - waited)
  const reached = await watch.unlessExit(async (signal) => {
    if (await waitForPort(port, firstLook, signal)) return true
    if (pid !== null && (await listenersOf(pid)).length > 0) return false
    return waitForPort(port, deadline - performance.now(), signal)
  }, step)
  if (!reached) {
    const listening = pid === null ? [] : await listenersOf(pid)
    await watch.quote(step)
    throw unreachable(port, listening, performance.now() - waited)
  }
  if (pid !== null && !(await portBelongsTo(port, pid))) throw await strangerOn(ctx, port, pid, watch, step)
}

/** A process that took our port; unless the app has just ended, which says more. */
async function strangerOn(
  ctx: Context,
  port: number,
  pid: number,
  watch: ExitWatch,
  step: StepReport,
): Promise<Refusal> {
  await watch.unlessExit(async () => {}, step)
  ctx.report.info(`port ${port} was meant for process ${pid} but another one listens on it`)
  return portStolen(port)
}

async function passHealth(
  path: string | null,
  port: number,
  deadline: number,
  watch: ExitWatch,
  step: StepReport,
): Promise<void> {
  const target = `GET ${path ?? '/'}`
  step.note(target)
  const answer = await watch.unlessExit(
    (signal) => waitForHealth({ port, path }, Math.max(deadline - performance.now(), 1_000), signal),
    step,
  )
  const result = answer.status === null ? 'no answer' : String(answer.status)
  if (answer.healthy) return step.note(`${target} -> ${result} in ${Math.round(answer.ms)} ms`)
  step.note(`${target} -> ${result}, ${answer.tries} tries`)
  const lines = await watch.quote(step)
  throw unhealthy(path, answer, lines)
}

function lostItsPort(refusal: Refusal): boolean {
  return refusal.code === 'boot_crashed' && /^port \d+ was taken/.test(refusal.message)
}
