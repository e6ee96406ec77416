import type { Context } from '../context.ts'
import type { AuditEvent, AuditFacts, Who } from '../domain/audit.ts'
import {
  changeCounts,
  checkType,
  countOf,
  type ProcessCounts,
  typesOf,
  wantedOf,
  webCount,
} from '../domain/process.ts'
import { awake } from '../domain/project.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import { wantsCluster } from '../pipeline/cluster.ts'
import type { Group } from '../pipeline/discard.ts'
import { grow } from '../pipeline/grow.ts'
import { bootInPlace } from '../pipeline/handover.ts'
import { silentJournal } from '../pipeline/journal.ts'
import { settle, settleOrRetire } from '../pipeline/retire.ts'
import { switchRoutes } from '../pipeline/switch-routes.ts'
import { placeType } from '../pipeline/workers.ts'
import type { InstanceRow } from '../store/instances.ts'
import type { ProjectRow } from '../store/projects.ts'
import { bootGeneration, commitOrDiscard, currentRelease, planOf, switchOver } from './boot-generation.ts'

export type ProcessCases = ReturnType<typeof createProcessCases>

/** Start, stop, restart and number of what is deployed already; no new release, no deployment. */
export function createProcessCases(ctx: Context) {
  return {
    /** Starts a stopped project and wakes one that sleeps; a running one is left as it is. */
    start: (project: ProjectRow, who: Who): Promise<void> =>
      inTurn(ctx, project, { who, action: 'process.start' }, async (current) => {
        if (current.status !== 'running' || current.asleepAt !== null) await bootGeneration(ctx, current)
      }),

    /**
     * The same release as a new generation: started beside the old one, proved, switched. No downtime. With `type`,
     * only the processes of that type; a worker's old ones end before the new ones start. Refuses with `invalid`
     * (no such type), `conflict` (nothing runs, or was ever live), and as a boot does.
     */
    restart: (project: ProjectRow, who: Who, type?: string): Promise<void> => {
      const event = {
        who,
        action: 'process.restart',
        ...(type === undefined ? {} : { of: { type } }),
      } as const
      return inTurn(ctx, project, event, (current) =>
        // of one that sleeps nothing runs: all of it is started
        type === undefined || current.asleepAt !== null
          ? bootGeneration(ctx, current)
          : restartType(ctx, current, type),
      )
    },

    /** Answers 503 from now on; requests under way finish first. */
    stop: (project: ProjectRow, who: Who): Promise<void> =>
      inTurn(ctx, project, { who, action: 'process.stop' }, async (current) => {
        await ctx.failpoint('processes.committing')
        ctx.store.transaction(() => {
          ctx.store.projects.update(current.id, { status: 'stopped', ...awake })
          ctx.store.instances.retireAll(current.id)
        })
        if (await switchRoutes(ctx)) await settleOrRetire(ctx, current)
      }),

    /**
     * So many instances of each named type from now on, over releases and restarts; the others are left as they
     * are. New ones take traffic once they are healthy; those that are too many end when their requests have.
     * Refuses with `invalid` (no such type, no such number), `conflict` (no release yet), and as a boot does:
     * then nothing has changed.
     */
    scale: (project: ProjectRow, change: ProcessCounts, who: Who): Promise<void> =>
      inTurn(ctx, project, { who, action: 'process.scale', after: change }, async (current) => {
        const release = currentRelease(ctx, current)
        const processes = changeCounts(current.processes, change, typesOf(release))
        if (current.status === 'stopped' || current.asleepAt !== null) {
          ctx.store.projects.update(current.id, { processes })
        } else if (changesCluster(ctx, current, processes)) await reachAnew(ctx, current, release, processes)
        else await reach(ctx, current, release, processes)
      }),
  }
}

async function inTurn(
  ctx: Context,
  project: ProjectRow,
  event: Pick<AuditEvent, 'who' | 'action' | 'after'> & { readonly of?: AuditFacts },
  work: (current: ProjectRow) => Promise<void>,
): Promise<void> {
  const end = await ctx.turns.take(project.id, ctx.closing)
  try {
    const current = ctx.store.projects.find(project.id)
    if (!current) throw new Refusal('not_found', `there is no project ${project.name} any more`)
    await work(current)
    const status = ctx.store.projects.find(project.id)?.status
    const [before, after] = event.after
      ? [wantedOf(current.processes, Object.keys(event.after)), event.after]
      : [{ status: current.status }, { status }]
    const { who, action, of } = event
    ctx.audit({ who, action, project, before, after: { ...after, ...of } })
  } finally {
    end()
  }
}

async function restartType(ctx: Context, project: ProjectRow, type: string): Promise<void> {
  const release = currentRelease(ctx, project)
  checkType(release, type)
  if (project.status === 'stopped') {
    throw new Refusal('conflict', `${project.name} is stopped`, { hint: 'start it, with all it has' })
  }
  if (type === 'web') await replaceWeb(ctx, project, release)
  else replaceWorkers(ctx, project, release, type)
  if (await switchOver(ctx, project)) await settleOrRetire(ctx, project)
}

async function replaceWeb(ctx: Context, project: ProjectRow, release: Release): Promise<void> {
  const web = await bootInPlace(ctx, planOf(ctx, project, release), silentJournal, ctx.closing)
  await commitOrDiscard(ctx, project, web, () => {
    ctx.store.instances.retireType(project.id, 'web')
    ctx.store.instances.admit(project.id, web.ref.generation)
  })
}

function replaceWorkers(ctx: Context, project: ProjectRow, release: Release, type: string): void {
  const { number, slug } = release
  ctx.store.transaction(() => {
    const generation = ctx.store.settings.next('generation')
    ctx.store.instances.retireType(project.id, type)
    placeType(ctx, project, { release: number, slug, type, generation }, 1, countOf(project.processes, type))
  })
}

/** Workers of a cluster share a port: one cannot be drained alone, so another number is another generation. */
function changesCluster(ctx: Context, project: ProjectRow, processes: ProcessCounts): boolean {
  const web = ctx.store.instances.ofProject(project.id, 'serving').filter(({ type }) => type === 'web')
  const wanted = countOf(processes, 'web')
  return wanted > 0 && web.length !== wanted && (wantsCluster(project) || web.some(({ cluster }) => cluster))
}

async function reachAnew(
  ctx: Context,
  project: ProjectRow,
  release: Release,
  processes: ProcessCounts,
): Promise<void> {
  await replaceWeb(ctx, { ...project, processes }, release)
  await reach(ctx, project, release, processes)
}

/** From the instances that serve to the wanted numbers: first more, then the commit and the switch, then fewer. */
async function reach(
  ctx: Context,
  project: ProjectRow,
  release: Release,
  processes: ProcessCounts,
): Promise<void> {
  const serving = ctx.store.instances.ofProject(project.id, 'serving')
  await freePositions(ctx, project, serving)
  const web = await growWeb(ctx, project, release, serving, webCount(processes, release.plan))
  await commitOrDiscard(ctx, project, web, () => {
    ctx.store.instances.admit(project.id, web.ref.generation)
    for (const type of Object.keys(release.workers)) {
      const of = {
        release: release.number,
        slug: release.slug,
        type,
        generation: generationOf(ctx, serving, type),
      }
      placeType(ctx, project, of, highest(serving, type) + 1, countOf(processes, type))
    }
    for (const type of typesOf(release)) {
      ctx.store.instances.retireAbove(project.id, type, countOf(processes, type))
    }
    ctx.store.projects.update(project.id, { processes })
  })
  if (await switchOver(ctx, project)) await settleOrRetire(ctx, project)
}

/** A position that was given up a moment ago cannot be taken again before it has ended. */
async function freePositions(
  ctx: Context,
  project: ProjectRow,
  serving: readonly InstanceRow[],
): Promise<void> {
  const ending = ctx.store.instances.ofProject(project.id, 'retiring')
  const sameGroup = (a: InstanceRow, b: InstanceRow) => a.type === b.type && a.generation === b.generation
  if (ending.some((row) => serving.some((other) => sameGroup(row, other)))) await settle(ctx, project)
}

/** The web instances that are still lacking, healthy and without traffic. */
function growWeb(
  ctx: Context,
  project: ProjectRow,
  release: Release,
  serving: readonly InstanceRow[],
  wanted: number,
): Promise<Group> {
  const from = highest(serving, 'web')
  const positions = Array.from({ length: Math.max(wanted - from, 0) }, (_, index) => from + 1 + index)
  const generation = generationOf(ctx, serving, 'web')
  return grow(ctx, planOf(ctx, project, release), { generation, positions }, ctx.closing)
}

/** More instances of a type join the generation that serves; where none does, they begin one. */
function generationOf(ctx: Context, serving: readonly InstanceRow[], type: string): number {
  const row = serving.find((instance) => instance.type === type)
  return row?.generation ?? ctx.store.settings.next('generation')
}

function highest(serving: readonly InstanceRow[], type: string): number {
  return Math.max(0, ...serving.flatMap((row) => (row.type === type ? [row.position] : [])))
}
