import type { Context } from '../context.ts'
import { type Commands, countOf } from '../domain/process.ts'
import type { InstanceRow } from '../store/instances.ts'
import type { ProjectRow } from '../store/projects.ts'
import { discard, groupsOf } from './discard.ts'
import { isSame, startNowOrLater } from './start-serving.ts'

/**
 * Workers take no traffic, so nothing can prove them before their release is live, and two generations at work
 * on one queue are a fault that few apps are written for. So they are turned over after the switch: the table
 * says at the commit which ones serve; then the old ones end, and only then the new ones start.
 */

/** Part of the transaction that makes a release live: its workers are to serve from now on. */
export function placeWorkers(
  ctx: Context,
  project: ProjectRow,
  release: Pick<Commands, 'workers'> & { readonly number: number; readonly slug: number },
  generation: number,
): void {
  for (const type of Object.keys(release.workers)) {
    const count = countOf(project.processes, type)
    placeType(ctx, project, { release: release.number, slug: release.slug, type, generation }, 1, count)
  }
}

/** The same for one type, from one position to another. */
export function placeType(
  ctx: Context,
  project: ProjectRow,
  of: Pick<InstanceRow, 'release' | 'slug' | 'type' | 'generation'>,
  first: number,
  last: number,
): void {
  for (let position = first; position <= last; position++) {
    ctx.store.instances.create({ ...of, projectId: project.id, position, port: null, state: 'serving' })
  }
}

/**
 * Makes the workers that run equal to the table. One at a time for a project, each looking anew: whatever goes
 * live meanwhile, the next one ends what this one has started. Resolves when the new ones have been started.
 */
export function turnOverWorkers(ctx: Context, project: Pick<ProjectRow, 'id' | 'name'>): Promise<void> {
  return ctx.inOrder(`workers of ${project.id}`, async () => {
    const current = ctx.store.projects.find(project.id)
    if (current?.overlapWorkers) await startMissing(ctx, current)
    await endOld(ctx, project)
    if (current && !current.overlapWorkers) await startMissing(ctx, current)
  })
}

async function endOld(ctx: Context, { id, name }: Pick<ProjectRow, 'id' | 'name'>): Promise<void> {
  const old = ctx.store.instances.ofProject(id, 'retiring').filter(isWorker)
  if (old.length === 0) return
  await Promise.all(groupsOf(name, old).map((group) => discard(ctx, id, group)))
  await ctx.failpoint('workers.ended')
}

async function startMissing(ctx: Context, project: ProjectRow): Promise<void> {
  const wanted = ctx.store.instances.ofProject(project.id, 'serving').filter(isWorker)
  if (wanted.length === 0) return
  const running = await ctx.runtime.list(project.name)
  for (const row of wanted) {
    if (row.problem) continue
    if (!running.some((instance) => isSame(instance, project.name, row))) {
      await startNowOrLater(ctx, project, row)
      await ctx.failpoint('workers.started')
    }
  }
}

export function isWorker({ type }: Pick<InstanceRow, 'type'>): boolean {
  return type !== 'web'
}
