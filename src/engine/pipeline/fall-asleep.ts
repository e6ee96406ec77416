import type { Context } from '../context.ts'
import { awake } from '../domain/project.ts'
import type { ProjectRow } from '../store/projects.ts'
import { settle } from './retire.ts'
import { switchRoutes } from './switch-routes.ts'
import { untilItCould } from './until-it-could.ts'

/**
 * Lets all processes of a project end that nobody asks for, with its turn. First the front door lets new requests wait;
 * whoever came just before that keeps the project awake, and is not cut off: `isQuiet` is asked once nothing new can
 * come. Returns whether it sleeps now. A server that dies before that has been decided finds it awake again
 * (`reconcile.ts`), one that dies later goes on.
 */
export async function fallAsleep(
  ctx: Context,
  project: ProjectRow,
  isQuiet: () => Promise<boolean>,
): Promise<boolean> {
  ctx.store.projects.update(project.id, { asleepAt: new Date(ctx.clock()).toISOString() })
  try {
    await ctx.failpoint('sleep.written')
    await ctx.routes.apply()
    if (!(await isQuiet())) return await stayAwake(ctx, project)
    await ctx.failpoint('sleep.quiet')
    ctx.store.instances.retireAll(project.id)
  } catch (error) {
    await stayAwake(ctx, project)
    throw error
  }
  const what = `ending what ran of ${project.name}`
  // behind, as after a switch: it may take its time, and whoever asks meanwhile need not wait for it
  const end = async () => {
    await ctx.failpoint('sleep.committed')
    await settle(ctx, project)
  }
  ctx.background.run(what, () => untilItCould(ctx, what, end))
  return true
}

async function stayAwake(ctx: Context, project: ProjectRow): Promise<false> {
  ctx.store.projects.update(project.id, awake)
  await switchRoutes(ctx)
  return false
}

/** When the server starts: where it died before it was decided that a project sleeps, the processes are still there. */
export function keepUndecidedAwake(ctx: Context): void {
  for (const { id, asleepAt } of ctx.store.projects.list()) {
    const runs = asleepAt !== null && ctx.store.instances.ofProject(id, 'serving').length > 0
    if (runs) ctx.store.projects.update(id, awake)
  }
}
