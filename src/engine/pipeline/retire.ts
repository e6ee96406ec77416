import type { Context } from '../context.ts'
import type { InstanceRow } from '../store/instances.ts'
import type { ProjectRow } from '../store/projects.ts'
import { discard, groupsOf } from './discard.ts'
import { measureRelease } from './measure-release.ts'
import { prune } from './prune.ts'
import { untilItCould } from './until-it-could.ts'
import { isWorker, turnOverWorkers } from './workers.ts'

/**
 * After a switch: what the old generations still answer is waited for, then they end; workers are turned over;
 * then old releases go and the repository is tidied.
 */
export function retireOld(ctx: Context, project: ProjectRow): void {
  ctx.background.run(`retiring old processes of ${project.name}`, async () => {
    await untilItCould(ctx, `ending old processes of ${project.name}`, () => settle(ctx, project))
    await tidyInOrder(ctx, project)
  })
}

/** So often it steps back for somebody who is at work on the project. */
const mostRounds = 3

/**
 * One project at a time: at a start, that is every project's turn. Who is at work, for example on a long deployment,
 * keeps the others from nothing: it is waited for outside of the row, and then another place in it is taken.
 */
async function tidyInOrder(ctx: Context, project: ProjectRow): Promise<void> {
  for (let round = 1; ; round++) {
    const done = await ctx.turns.take(project.id)
    if (round === mostRounds) return ctx.inOrder('tidying', () => tidy(ctx, project, done)).finally(done)
    // nobody waits for a project that only waits for its place
    done()
    const tidied = await ctx.inOrder('tidying', async () => {
      if (ctx.turns.busy(project.id)) return false
      await tidy(ctx, project, await ctx.turns.take(project.id))
      return true
    })
    if (tidied) return
  }
}

/** With the turn of the project, which it gives back. */
async function tidy(ctx: Context, project: ProjectRow, done: () => void): Promise<void> {
  try {
    await prune(ctx, project.id)
    await measureRelease(ctx, project)
    await ctx.failpoint('retire.pruned')
    // somebody may push to the repository of a preview: it is another project's
    if (project.preview === null) await ctx.repositories.tidy(project.name)
  } finally {
    done()
  }
}

/**
 * Ends whatever of the project is marked as retiring, and starts the workers that are to serve. Workers do not
 * wait for old traffic, which may take its time.
 */
export async function settle(ctx: Context, project: Pick<ProjectRow, 'id' | 'name'>): Promise<void> {
  await Promise.all([endOldWeb(ctx, project), turnOverWorkers(ctx, project)])
}

/** As `settle`, after a change that stands already: what cannot be ended now is ended later, behind. */
export async function settleOrRetire(ctx: Context, project: ProjectRow): Promise<void> {
  try {
    await settle(ctx, project)
  } catch (error) {
    ctx.report.error(`old processes of ${project.name} could not be ended yet`, error)
    retireOld(ctx, project)
  }
}

/** How long WebSockets and event streams of old instances go on, ms. */
function endlessGrace(ctx: Context, projectId: number): number {
  return ctx.store.projects.find(projectId)?.settings.webSocketGraceMs ?? 0
}

/** One at a time, each looking anew: a position that was given up and taken again is not ended by mistake. */
export function endOldWeb(
  ctx: Context,
  { id, name }: Pick<ProjectRow, 'id' | 'name'>,
  { keptToo = false }: { readonly keptToo?: boolean } = {},
): Promise<void> {
  return ctx.inOrder(`web of ${id}`, async () => {
    const now = new Date(ctx.clock()).toISOString()
    const rows = ctx.store.instances
      .ofProject(id, 'retiring')
      .filter((row) => !isWorker(row) && (keptToo || (row.keptUntil ?? '') <= now))
    if (rows.length === 0) return
    await drainOf(ctx, rows, { deadlineMs: ctx.limits.drainMs, endlessMs: endlessGrace(ctx, id) })
    await ctx.failpoint('retire.drained')
    await Promise.all(groupsOf(name, rows).map((group) => discard(ctx, id, group)))
    await ctx.failpoint('retire.ended')
  })
}

/** A front door that is away has no traffic to wait for. */
export async function drainOf(
  ctx: Context,
  rows: readonly InstanceRow[],
  { deadlineMs, endlessMs }: { readonly deadlineMs: number; readonly endlessMs: number },
): Promise<void> {
  const endpoints = rows.flatMap(({ port }) => (port === null ? [] : [{ host: '127.0.0.1', port }]))
  if (endpoints.length === 0) return
  try {
    const { left } = await ctx.router.drain(endpoints, deadlineMs, endlessMs)
    if (left > 0) ctx.report.info(`${left} requests were still open after ${deadlineMs} ms and are cut off`)
  } catch (error) {
    ctx.report.error('draining failed', error)
  }
}
