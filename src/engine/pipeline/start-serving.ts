import type { Context } from '../context.ts'
import { varsAtRun } from '../domain/config-vars.ts'
import { commandOf } from '../domain/process.ts'
import { inForce } from '../domain/release-plan.ts'
import type { Instance } from '../ports.ts'
import type { InstanceRow } from '../store/instances.ts'
import type { ProjectRow } from '../store/projects.ts'
import { clusterPort } from './cluster.ts'
import { groupOf } from './group.ts'
import { findPort, isFree } from './reserve-port.ts'
import { untilItCould } from './until-it-could.ts'

/**
 * Starts an instance that the table says serves; nothing is proved, for its release was healthy before. On the
 * same port, unless another program has taken it meanwhile: what is routed there must never reach a stranger.
 * Never throws: one that cannot be started does not keep the others down. Returns whether it runs, or need not.
 */
export function startServing(ctx: Context, project: ProjectRow, row: InstanceRow): Promise<boolean> {
  // two at once, and the second would take the port of the first for that of a stranger
  const key = `${row.type}.${row.position} of ${project.id} in ${row.generation}`
  return ctx.inOrder(key, () => startOne(ctx, project, row))
}

async function startOne(ctx: Context, project: ProjectRow, asked: InstanceRow): Promise<boolean> {
  const row = servingRow(ctx, asked)
  const release = row && ctx.store.releases.find(project.id, row.release)
  const command = release && commandOf(release, row.type)
  if (!command) return true
  const { type, generation, position } = row
  const ref = { project: project.name, type, release: row.release, generation }
  const { plan } = release
  try {
    const running = await ctx.runtime.list(project.name)
    const own = running.find((instance) => isSame(instance, project.name, row) && isUp(instance))
    if (own) {
      adoptPort(ctx, row, own)
      return true
    }
    const envVars = varsAtRun(release)
    const port = await ownPort(ctx, row)
    const directory = ctx.paths.release(project.name, row.slug)
    const { graceMs } = inForce(project, plan)
    const { memoryLimitMb } = project
    const cluster = row.cluster ?? false
    const how = { directory, command, envVars, plan, graceMs, memoryLimitMb, cluster }
    const started = await ctx.runtime.start(await groupOf(ctx, ref, how, [{ index: position, port }]))
    // one that was thought not to have been started may have been, meanwhile
    for (const instance of started) adoptPort(ctx, { ...row, port }, instance)
    // retired while it was being started: nobody else would end it
    if (!servingRow(ctx, row)) await ctx.runtime.stop(ref, 1_000, [position])
    return true
  } catch (error) {
    ctx.report.error(`${project.name} could not be started: ${type}.${position}`, error)
    return false
  }
}

/**
 * As above; one that cannot be started now is tried again behind, for as long as the table says that it serves:
 * what was in the way (PM2, a full disk) may go without another word.
 */
export async function startNowOrLater(ctx: Context, project: ProjectRow, row: InstanceRow): Promise<void> {
  if (!(await startServing(ctx, project, row))) startLater(ctx, project, row)
}

export function startLater(ctx: Context, { id, name }: ProjectRow, row: InstanceRow): void {
  const what = `starting ${row.type}.${row.position} of ${name}`
  ctx.background.run(what, () =>
    untilItCould(ctx, what, async () => {
      const project = ctx.store.projects.find(id)
      const now = servingRow(ctx, row)
      if (!project || !now || project.status === 'stopped' || hasMadeRoom(ctx, now)) return
      if (!(await startServing(ctx, project, now))) throw new Error('it does not start yet')
      // its port may be another one now
      await ctx.routes.apply()
    }),
  )
}

/** Whether it has stopped for the one that is being started, which would not be alone beside it. */
export function hasMadeRoom(ctx: Context, { projectId, generation }: InstanceRow): boolean {
  return ctx.handovers.get(projectId)?.includes(generation) ?? false
}

/** Is this process the one that the row speaks of? */
export function isSame(instance: Instance, project: string, row: InstanceRow): boolean {
  return (
    instance.project === project &&
    instance.generation === row.generation &&
    instance.type === row.type &&
    instance.index === row.position
  )
}

/** Whether the table names another port than the process was started with. */
export function isElsewhere({ port }: Instance, row: InstanceRow): boolean {
  return !row.cluster && port != null && row.port !== null && port !== row.port
}

function isUp({ status }: Instance): boolean {
  return status === 'online' || status === 'restarting'
}

/** The process is right: it cannot be told another port while it runs. */
function adoptPort(ctx: Context, row: InstanceRow, instance: Instance): void {
  if (!isElsewhere(instance, row) || instance.port == null) return
  ctx.report.info(`${instance.name} of ${instance.project} runs on port ${instance.port}, not on ${row.port}`)
  ctx.store.instances.movePort(row, instance.port)
}

/** As the table has it now; undefined: it serves no longer. */
function servingRow(ctx: Context, row: InstanceRow): InstanceRow | undefined {
  const serving = ctx.store.instances.ofProject(row.projectId, 'serving')
  return serving.find(
    (other) =>
      other.generation === row.generation && other.type === row.type && other.position === row.position,
  )
}

async function ownPort(ctx: Context, row: InstanceRow): Promise<number | null> {
  // the daemon listens there for its other workers
  if (row.cluster) return clusterPort(ctx.store.instances.ofProject(row.projectId), row)
  if (row.port === null || (await isFree(row.port))) return row.port
  const port = await findPort(ctx, null, row.generation)
  ctx.report.info(`port ${row.port} is used by another program: the app runs on ${port} now`)
  ctx.store.instances.movePort(row, port)
  return port
}
