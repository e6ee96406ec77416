import { rm } from 'node:fs/promises'
import type { Context } from './context.ts'
import { endInterruptedRuns } from './cron/interrupted.ts'
import type { Deployment } from './domain/deployment.ts'
import { discard, groupsOf } from './pipeline/discard.ts'
import { keepUndecidedAwake } from './pipeline/fall-asleep.ts'
import { endForgottenHolds } from './pipeline/handover.ts'
import { removeLeftovers } from './pipeline/prune.ts'
import { retireOld } from './pipeline/retire.ts'
import { prepareRelease } from './pipeline/serve-files.ts'
import { hasMadeRoom, isElsewhere, isSame, startNowOrLater } from './pipeline/start-serving.ts'
import { nowOrLater } from './pipeline/until-it-could.ts'
import { isWorker, turnOverWorkers } from './pipeline/workers.ts'
import type { Instance } from './ports.ts'
import { endJob } from './shell.ts'
import { jobOf } from './use-cases/attempt.ts'
import { finishRemoval, interruptedRemovals, makeFolders } from './use-cases/projects.ts'

/**
 * The database is the truth. Whatever died and wherever: what should run runs once, what should not run ends,
 * routes equal the table, and what was interrupted says so.
 */

/** At start, before anything is accepted. Returns the deployments that a dead server left unfinished. */
export async function reconcile(ctx: Context): Promise<Deployment[]> {
  const interrupted = markInterrupted(ctx)
  // its installs and builds did not die with the server
  for (const { id } of interrupted) await endJob(jobOf(ctx, id))
  await endInterruptedRuns(ctx)
  for (const folder of [ctx.paths.uploads, ctx.paths.fetches]) {
    await rm(folder, { recursive: true, force: true })
  }
  for (const name of interruptedRemovals(ctx)) {
    await nowOrLater(ctx, `removing what ${name} has left`, () => finishRemoval(ctx, name))
  }
  await endCandidates(ctx)
  keepUndecidedAwake(ctx)
  await adoptStaticSites(ctx)
  await mendProcesses(ctx)
  await ctx.routes.apply()
  ctx.background.run('ending forgotten waits', () => endForgottenHolds(ctx))
  for (const project of ctx.store.projects.list()) {
    retireOld(ctx, project)
    await makeFolders(ctx, project.name)
    await removeLeftovers(ctx, project.id, project.name)
  }
  await ctx.dependencies.cleanLeftovers()
  await ctx.toolchains.cleanLeftovers()
  return interrupted
}

/** Processes equal to the table: also after the runtime was lost while deployments go on. */
export async function mendProcesses(ctx: Context): Promise<void> {
  const ended = await ctx.runtime.endOrphans()
  if (ended > 0) ctx.report.info(`${ended} orphaned processes ended`)
  await endStrangers(ctx, await ctx.runtime.list())
  // that took its time: what went live meanwhile runs, and must not be given another port
  const running = await ctx.runtime.list()
  const missing = ctx.store.projects
    .list()
    .filter((project) => project.status !== 'stopped')
    .flatMap((project) =>
      ctx.store.instances.ofProject(project.id, 'serving').map((row) => ({ project, row })),
    )
    .filter(({ row }) => !row.problem)
    .filter(({ row }) => isWorker(row) || !hasMadeRoom(ctx, row))
    .filter(
      ({ project, row }) =>
        !running.some((instance) => isSame(instance, project.name, row) && !isElsewhere(instance, row)),
    )
  const web = missing.filter(({ row }) => !isWorker(row))
  await eachOf(web, 4, ({ project, row }) => startNowOrLater(ctx, project, row))
  // those of an older generation that still run have to end first
  const lacking = new Map(
    missing.flatMap(({ project, row }) => (isWorker(row) ? [[project.id, project] as const] : [])),
  )
  await eachOf([...lacking.values()], 4, (project) => turnOverWorkers(ctx, project))
}

/** A deployment that a dead server left unfinished has failed, and says why. */
function markInterrupted(ctx: Context): Deployment[] {
  const interrupted = ctx.store.deployments.unfinished()
  for (const deployment of interrupted) {
    ctx.store.deployments.finish(deployment.id, {
      status: 'failed',
      error: { code: 'internal', message: 'the server stopped in the middle of it', hint: 'push again' },
    })
  }
  return interrupted
}

async function endCandidates(ctx: Context): Promise<void> {
  for (const project of ctx.store.projects.list()) {
    const rows = ctx.store.instances.ofProject(project.id, 'candidate')
    for (const group of groupsOf(project.name, rows)) await discard(ctx, project.id, group, 1_000)
  }
}

/** Static files that an earlier version of NodePilot served by a process of their own: the front door does it now. */
async function adoptStaticSites(ctx: Context): Promise<void> {
  for (const project of ctx.store.projects.list()) {
    const release = ctx.store.releases.find(project.id, project.currentRelease ?? -1)
    if (!release?.plan.static) continue
    ctx.store.instances.retireType(project.id, 'web')
    await prepareRelease(ctx, project, release).catch((error: unknown) =>
      ctx.report.error(`the files of ${project.name} could not be made ready`, error),
    )
  }
}

/** Processes that no row knows: of a deleted project, or started a moment before the server died. */
async function endStrangers(ctx: Context, running: readonly Instance[]): Promise<void> {
  for (const instance of running) {
    const project = ctx.store.projects.find(instance.project)
    const known =
      project && ctx.store.instances.ofProject(project.id).some((row) => isSame(instance, project.name, row))
    if (!known) await ctx.runtime.stop(instance, 1_000, [instance.index])
  }
}

async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items]
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
