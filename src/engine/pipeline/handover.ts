import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from '../context.ts'
import { inForce } from '../domain/release-plan.ts'
import type { InstanceRow } from '../store/instances.ts'
import type { ProjectRow } from '../store/projects.ts'
import { type BootPlan, boot } from './boot.ts'
import { type Group, graceOf, groupsOf } from './discard.ts'
import { waitForPort } from './health.ts'
import type { Journal } from './journal.ts'
import { drainOf, endOldWeb } from './retire.ts'
import { startLater, startServing } from './start-serving.ts'
import { untilItCould } from './until-it-could.ts'
import { isWorker } from './workers.ts'

/**
 * Where two generations may not run at once (`overlap: false`), the new one takes the place of the old one instead
 * of coming beside it: new requests are held, those under way finish, the old one stops, the new one starts. The
 * table calls the old one serving all the while, so a server that dies in the middle starts it again.
 */

/** How long new requests wait for the new generation, ms. */
const longestHoldMs = 30_000
/** Of it, how long those under way may take to finish, ms. */
const longestDrainMs = 10_000
/** How long the old generation is tried to be started again while requests wait, and how often, ms. */
const [longestComebackMs, againMs] = [15_000, 250]

/**
 * As `boot`; where generations may not overlap, the one that serves stops first, and is started again when the new
 * one fails. `endHandover` has to follow once the new one has the routes, `takeBack` when it is given up.
 */
export async function bootInPlace(
  ctx: Context,
  plan: BootPlan,
  journal: Journal,
  signal: AbortSignal,
): Promise<Group> {
  const { project } = plan
  if (project.settings.overlap || plan.plan.static !== null) return boot(ctx, plan, journal, signal)
  try {
    await standAside(ctx, project, journal)
    return await boot(ctx, plan, journal, signal)
  } catch (error) {
    await takeBack(ctx, project)
    throw error
  }
}

/** The new generation has the routes, or will: requests go on to it. `switched`: the front door has them. */
export async function endHandover(ctx: Context, project: ProjectRow, switched: boolean): Promise<void> {
  if (!ctx.handovers.delete(project.id)) return
  if (switched && (await tryToRelease(ctx, project))) return
  ctx.background.run(`ending the wait for ${project.name}`, () =>
    untilItCould(ctx, `ending the wait for ${project.name}`, async () => {
      await ctx.routes.apply()
      if (!ctx.handovers.has(project.id)) await ctx.router.hold(project.name, 0)
    }),
  )
}

/** The new generation is given up, and has ended: the old one is started again. Never throws. */
export async function takeBack(ctx: Context, project: ProjectRow): Promise<void> {
  if (!ctx.handovers.has(project.id)) return
  // from here on it has to run again: whoever mends processes meanwhile starts it as well
  ctx.handovers.set(project.id, [])
  const rows = servingWeb(ctx, project)
  const left = await startAgain(ctx, project, rows)
  const moved = await waitUntilUp(ctx, project, rows)
  const switched = !moved || (await ctx.routes.apply().then(always, never))
  await endHandover(ctx, project, switched)
  for (const row of left) startLater(ctx, project, row)
}

/** When the server starts: requests that a dead one kept waiting go on, once there is something to serve them. */
export async function endForgottenHolds(ctx: Context): Promise<void> {
  await Promise.all(
    ctx.store.projects.list().map(async (project) => {
      const { id, name, settings } = project
      if (!settings.overlap) await waitUntilUp(ctx, project, servingWeb(ctx, project))
      await untilItCould(ctx, `ending the wait for ${name}`, async () => {
        if (!ctx.handovers.has(id)) await ctx.router.hold(name, 0)
      })
    }),
  )
}

/** Gives what is in the way the time to go, as a lost PM2 does. Returns those that could not be started. */
async function startAgain(
  ctx: Context,
  project: ProjectRow,
  rows: readonly InstanceRow[],
): Promise<readonly InstanceRow[]> {
  const deadline = performance.now() + longestComebackMs
  let left = rows
  for (;;) {
    const started = await Promise.all(left.map((row) => startServing(ctx, project, row)))
    left = left.filter((_, at) => !started[at])
    if (left.length === 0 || performance.now() > deadline || ctx.closing.aborted) return left
    await pause(againMs)
  }
}

const always = () => true
const never = () => false

async function standAside(ctx: Context, project: ProjectRow, journal: Journal): Promise<void> {
  // of an earlier switch, while generations could still overlap
  await endOldWeb(ctx, project, { keptToo: true })
  const rows = servingWeb(ctx, project)
  if (rows.length === 0) return
  journal.say('requests wait: the old version stops before the new one starts')
  ctx.handovers.set(
    project.id,
    rows.map(({ generation }) => generation),
  )
  await hold(ctx, project)
  // a WebSocket would keep everybody else waiting
  await drainOf(ctx, rows, { deadlineMs: Math.min(ctx.limits.drainMs, longestDrainMs), endlessMs: 0 })
  await Promise.all(
    groupsOf(project.name, rows).map(({ ref, positions }) =>
      ctx.runtime.stop(ref, graceOf(ctx, project.id, ref.release), positions),
    ),
  )
  await ctx.failpoint('handover.stopped')
}

function servingWeb(ctx: Context, project: ProjectRow): InstanceRow[] {
  return ctx.store.instances.ofProject(project.id, 'serving').filter((row) => !isWorker(row) && !row.problem)
}

/** A front door that is away keeps nobody waiting, and has nobody to lose. */
async function hold(ctx: Context, project: ProjectRow): Promise<void> {
  try {
    await ctx.router.hold(project.name, longestHoldMs)
  } catch (error) {
    ctx.report.error(`requests to ${project.name} could not be held`, error)
  }
}

async function tryToRelease(ctx: Context, project: ProjectRow): Promise<boolean> {
  try {
    await ctx.router.hold(project.name, 0)
    return true
  } catch (error) {
    ctx.report.error(`the wait for ${project.name} could not be ended yet`, error)
    return false
  }
}

/** Until all of them take connections again, as long as a boot may take. Returns whether one has another port now. */
async function waitUntilUp(
  ctx: Context,
  project: ProjectRow,
  before: readonly InstanceRow[],
): Promise<boolean> {
  const release = ctx.store.releases.find(project.id, before[0]?.release ?? -1)
  if (!release) return false
  const deadline = performance.now() + inForce(project, release.plan).bootTimeoutMs
  const rows = servingWeb(ctx, project)
  for (const { port } of rows) {
    if (port === null || ctx.closing.aborted) continue
    if (!(await waitForPort(port, deadline - performance.now(), ctx.closing).catch(never))) {
      ctx.report.error(`${project.name} does not take connections again on port ${port}`)
    }
  }
  return rows.some(({ port }, at) => port !== before[at]?.port)
}
