import { mkdir } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from '../context.ts'
import { isRefusal, type Refusal } from '../domain/refusal.ts'
import { inForce, type ReleasePlan } from '../domain/release-plan.ts'
import type { GroupRef } from '../ports.ts'
import { listenersOf, portBelongsTo } from '../processes.ts'
import type { ProjectRow } from '../store/projects.ts'
import { joinCluster, wantsCluster, whereItListens } from './cluster.ts'
import { portStolen, unhealthy, unreachable } from './diagnose.ts'
import { discardCandidate, type Group } from './discard.ts'
import { type ExitWatch, watchExits } from './exit-watch.ts'
import { groupOf } from './group.ts'
import { waitForHealth, waitForPort } from './health.ts'
import type { Journal, StepReport } from './journal.ts'
import { reservePort } from './reserve-port.ts'
import { serveFiles } from './serve-files.ts'

/** What to run: `web` of one release of one project. */
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
  /** Of the release. */
  readonly plan: ReleasePlan
  /** How many instances; none is fine. */
  readonly count: number
}

/** An app that listens elsewhere this long will not come to its own port any more. */
const wrongPortMs = 15_000
/** Instances that start side by side: more would slow each other down until they miss their time. */
const atOnce = 4
/** A runtime that was lost is started again within this, ms. */
const runtimeBackMs = 15_000

/**
 * Starts a new generation and waits until every instance of it is healthy. Whatever goes wrong, only the new one
 * is stopped. Refuses with `boot_crashed`, `boot_timeout`, `wrong_port`, `health_failed`, `out_of_memory` or
 * `cancelled`.
 */
export function boot(ctx: Context, plan: BootPlan, journal: Journal, signal: AbortSignal): Promise<Group> {
  const { static: site } = plan.plan
  if (site !== null) return serveFiles(ctx, plan, site, { journal, signal })
  const positions = Array.from({ length: plan.count }, (_, index) => index + 1)
  return untilItHolds(() => {
    const generation = ctx.store.settings.next('generation')
    return startAndProve(ctx, plan, { generation, positions }, journal, signal)
  })
}

/** Somebody else may be faster to listen on a port that was free a moment ago, and the runtime may have to start anew. */
export async function untilItHolds(start: () => Promise<Group>): Promise<Group> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start()
    } catch (error) {
      if (attempt < 3 && isRefusal(error) && (lostItsPort(error) || error.code === 'unavailable')) continue
      throw error
    }
  }
}

/** One instance on its way. */
interface Starting {
  readonly index: number
  readonly port: number
  readonly watch: ExitWatch
  pid: number | null
  /** What is left of its boot timeout, ms. */
  leftMs: number
}

/** Instances of one generation, healthy and without traffic; where one fails, all of them are ended. */
export async function startAndProve(
  ctx: Context,
  plan: BootPlan,
  { generation, positions }: { readonly generation: number; readonly positions: readonly number[] },
  journal: Journal,
  signal: AbortSignal,
): Promise<Group> {
  const { project, release } = plan
  const { healthPath } = inForce(project, plan.plan)
  const ref: GroupRef = { project: project.name, type: 'web', release, generation }
  const group = { ref, positions }
  if (positions.length === 0) {
    journal.skip(['Start', 'Health'], 'no web processes are wanted')
    return group
  }
  const starting: Starting[] = []
  try {
    await journal.step('Start', async (step) => {
      step.note(positions.length === 1 ? plan.origin : `${positions.length} x ${plan.origin}`)
      // the first one alone: where it fails, the others would too
      for (const batch of [positions.slice(0, 1), ...batches(positions.slice(1))]) {
        await startBatch(ctx, plan, ref, batch, starting, signal, step)
      }
      await ctx.failpoint('boot.started')
    })
    await journal.step('Health', async (step) => {
      for (const one of starting) await passHealth(healthPath, one, step)
      // one may have ended while others were asked
      for (const { watch } of starting) await watch.unlessExit(async () => {}, step)
      await ctx.failpoint('boot.healthy')
    })
    return group
  } catch (error) {
    // what cannot be reached cannot be ended
    if (isRefusal(error, 'unavailable')) await untilConnected(ctx)
    await discardCandidate(ctx, project.id, group)
    throw error
  } finally {
    for (const { watch } of starting) watch.end()
  }
}

/** Gives a runtime that was lost the time to be back. */
export async function untilConnected(ctx: Context): Promise<void> {
  const deadline = performance.now() + runtimeBackMs
  while (performance.now() < deadline && !ctx.closing.aborted) {
    const connected = await ctx.runtime.connect().then(
      () => true,
      () => false,
    )
    if (connected) return
    await pause(250)
  }
}

/** Starts a few instances side by side and waits until each accepts connections on its own port. */
async function startBatch(
  ctx: Context,
  plan: BootPlan,
  ref: GroupRef,
  positions: readonly number[],
  starting: Starting[],
  signal: AbortSignal,
  step: StepReport,
): Promise<void> {
  const { bootTimeoutMs, graceMs } = inForce(plan.project, plan.plan)
  const places: { readonly index: number; readonly port: number }[] = []
  const batch: Starting[] = []
  for (const index of positions) {
    const port = await takePlace(ctx, plan, { generation: ref.generation, position: index }, starting)
    places.push({ index, port })
    batch.push({
      index,
      port,
      watch: watchExits(ctx, ref, { index, port }, signal),
      pid: null,
      leftMs: bootTimeoutMs,
    })
  }
  // watched, and ended by the caller, from now on
  starting.push(...batch)
  await ctx.failpoint('boot.reserved')
  const deadline = performance.now() + bootTimeoutMs
  await prepareFolders(ctx, ref.project)
  ctx.secrets.learn(plan.project, plan.release, plan.envVars)
  const { memoryLimitMb } = plan.project
  const cluster = wantsCluster(plan.project)
  const running = { ...plan, graceMs, memoryLimitMb, cluster }
  const instances = await ctx.runtime.start(await groupOf(ctx, ref, running, places))
  for (const [at, one] of batch.entries()) {
    one.pid = instances.find(({ index }) => index === positions[at])?.pid ?? null
    if (cluster) await reachCluster(ctx, ref, one, deadline, step)
    else await reachPort(ctx, one, deadline, step)
    one.leftMs = deadline - performance.now()
  }
}

/** What every process of a project may rely on. */
export async function prepareFolders(ctx: Context, project: string): Promise<void> {
  await Promise.all([
    mkdir(ctx.paths.data(project), { recursive: true, mode: 0o700 }),
    mkdir(ctx.paths.projectLogs(project), { recursive: true, mode: 0o700 }),
  ])
}

/** A port of its own; in a cluster that of the first one. */
async function takePlace(
  ctx: Context,
  plan: BootPlan,
  place: { readonly generation: number; readonly position: number },
  [first]: readonly Starting[],
): Promise<number> {
  if (!first || !wantsCluster(plan.project)) return reservePort(ctx, plan, place)
  joinCluster(ctx, plan, place)
  return first.port
}

/** Until the worker takes connections on the port of its cluster, and the port is not a stranger's. */
async function reachCluster(
  ctx: Context,
  ref: GroupRef,
  { index, port, watch }: Starting,
  deadline: number,
  step: StepReport,
): Promise<void> {
  const waited = performance.now()
  const found = await watch.unlessExit((signal) => whereItListens(ctx, ref, index, deadline, signal), step)
  if (found === port) return
  await watch.quote(step)
  throw unreachable(port, found === null ? [] : [found], performance.now() - waited)
}

/** Until the port accepts connections and it is the app's own. */
async function reachPort(
  ctx: Context,
  { port, pid, watch }: Starting,
  deadline: number,
  step: StepReport,
): Promise<void> {
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

async function passHealth(path: string | null, one: Starting, step: StepReport): Promise<void> {
  const { port, watch, leftMs } = one
  const target = `GET ${path ?? '/'}`
  step.note(target)
  const answer = await watch.unlessExit(
    (signal) => waitForHealth({ port, path }, Math.max(leftMs, 1_000), signal),
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

function batches(positions: readonly number[]): (readonly number[])[] {
  const count = Math.ceil(positions.length / atOnce)
  return Array.from({ length: count }, (_, at) => positions.slice(at * atOnce, (at + 1) * atOnce))
}
