import { rm } from 'node:fs/promises'
import type { Context } from '../context.ts'
import { defaults } from '../domain/app-fields.ts'
import { inForce, plainPlan } from '../domain/release-plan.ts'
import type { GroupRef } from '../ports.ts'
import type { InstanceRow } from '../store/instances.ts'
import type { ProjectRow } from '../store/projects.ts'
import { endHidden } from './hidden-processes.ts'
import { removeLeftovers } from './prune.ts'
import { untilItCould } from './until-it-could.ts'

/** Some instances of one generation of one process type. */
export interface Group {
  readonly ref: GroupRef
  readonly positions: readonly number[]
}

/**
 * Ends instances and forgets them, with the grace period of their release where none is given. Safe at any time,
 * for such that never ran too. One that cannot be ended now stays known as retiring: the next retirement ends it.
 */
export async function discard(
  ctx: Context,
  projectId: number,
  { ref, positions }: Group,
  grace = graceOf(ctx, projectId, ref.release),
): Promise<void> {
  ctx.store.instances.retire(projectId, ref, positions)
  await ctx.runtime.stop(ref, grace, positions)
  ctx.store.instances.remove(projectId, ref, positions)
}

/** From SIGTERM to SIGKILL, of a release, ms. */
export function graceOf(ctx: Context, projectId: number, release: number): number {
  const project = ctx.store.projects.find(projectId)
  const plan = ctx.store.releases.find(projectId, release)?.plan ?? plainPlan
  return project ? inForce(project, plan).graceMs : (plan.graceMs ?? defaults.graceMs)
}

/**
 * Undoes a candidate. Never throws: it must not hide why the candidate is given up. What cannot be ended now is
 * ended behind.
 */
export async function discardCandidate(ctx: Context, projectId: number, group: Group): Promise<void> {
  if (group.positions.length === 0) return
  const what = `ending a candidate of ${group.ref.project}`
  try {
    await discard(ctx, projectId, group, 1_000)
  } catch (error) {
    ctx.report.error(`${what} has to be tried again`, error)
    ctx.background.run(what, () => untilItCould(ctx, what, () => discardRetiring(ctx, projectId, group)))
  }
}

/** Looks anew: somebody else may have ended them meanwhile, and given their positions away again. */
function discardRetiring(ctx: Context, projectId: number, { ref, positions }: Group): Promise<void> {
  return ctx.inOrder(`web of ${projectId}`, async () => {
    const left = ctx.store.instances
      .ofProject(projectId, 'retiring')
      .filter((row) => row.type === ref.type && row.generation === ref.generation)
      .map(({ position }) => position)
      .filter((position) => positions.includes(position))
    if (left.length > 0) await discard(ctx, projectId, { ref, positions: left }, 1_000)
  })
}

/**
 * Removes the files of a release that will not go live. Never throws, as above; what cannot be removed now is
 * tried once more when nobody is at work on the project, and by the next start.
 */
export async function discardFiles(
  ctx: Context,
  project: Pick<ProjectRow, 'id' | 'name'>,
  release: number,
): Promise<void> {
  try {
    await ctx.failpoint('undo.ended')
    const directory = ctx.paths.release(project.name, release)
    await endHidden(directory)
    await rm(directory, { recursive: true, force: true })
  } catch (error) {
    ctx.report.error(`files of ${project.name}, v${release}, could not be removed yet`, error)
    ctx.background.run(`removing files of ${project.name}, v${release}`, async () => {
      const done = await ctx.turns.take(project.id, ctx.closing)
      await removeLeftovers(ctx, project.id, project.name).finally(done)
    })
  }
}

/** The groups that a set of rows belongs to, each once, with the instances of it that are in the set. */
export function groupsOf(project: string, rows: readonly InstanceRow[]): Group[] {
  const groups = new Map<string, { ref: GroupRef; positions: number[] }>()
  for (const { type, release, generation, position } of rows) {
    const key = `${type} ${generation}`
    const group = groups.get(key) ?? { ref: { project, type, release, generation }, positions: [] }
    group.positions.push(position)
    groups.set(key, group)
  }
  return [...groups.values()]
}
