import type { Context } from '../context.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import { boot, discardCandidate } from '../pipeline/boot.ts'
import { silentJournal } from '../pipeline/journal.ts'
import { endRetiring, retireOld } from '../pipeline/retire.ts'
import { switchRoutes } from '../pipeline/switch-routes.ts'
import type { ProjectRow } from '../store/projects.ts'

export type ProcessCases = ReturnType<typeof createProcessCases>

/** Start, stop and restart of what is deployed already; no new release, no deployment. */
export function createProcessCases(ctx: Context) {
  return {
    /** Starts a stopped project; a running one is left as it is. */
    start: (project: ProjectRow): Promise<void> =>
      inTurn(ctx, project, async (current) => {
        if (current.status !== 'running') await bootGeneration(ctx, current)
      }),

    /** The same release as a new generation: started beside the old one, proved, switched. No downtime. */
    restart: (project: ProjectRow): Promise<void> =>
      inTurn(ctx, project, (current) => bootGeneration(ctx, current)),

    /** Answers 503 from now on; requests under way finish first. */
    stop: (project: ProjectRow): Promise<void> =>
      inTurn(ctx, project, async (current) => {
        ctx.store.transaction(() => {
          ctx.store.projects.update(current.id, { status: 'stopped' })
          ctx.store.instances.retireAll(current.id)
        })
        if (await switchRoutes(ctx)) await endRetiring(ctx, current)
      }),
  }
}

async function inTurn(
  ctx: Context,
  project: ProjectRow,
  work: (current: ProjectRow) => Promise<void>,
): Promise<void> {
  const end = await ctx.turns.take(project.id, ctx.closing)
  try {
    const current = ctx.store.projects.find(project.id)
    if (!current) throw new Refusal('not_found', `there is no project ${project.name} any more`)
    await work(current)
  } finally {
    end()
  }
}

async function bootGeneration(ctx: Context, project: ProjectRow): Promise<void> {
  const release = currentRelease(ctx, project)
  const { number, slug, command, envVars } = release
  const directory = ctx.paths.release(project.name, slug)
  const plan = { project, release: number, slug, directory, command, origin: command, envVars }
  const booted = await boot(ctx, plan, silentJournal, ctx.closing)
  try {
    ctx.store.transaction(() => {
      ctx.store.instances.promote(project.id, booted.ref.generation)
      ctx.store.projects.update(project.id, { status: 'running' })
    })
  } catch (error) {
    await discardCandidate(ctx, project.id, booted.ref)
    throw error
  }
  if (await switchRoutes(ctx)) retireOld(ctx, project)
}

function currentRelease(ctx: Context, project: ProjectRow): Release {
  const release = ctx.store.releases.find(project.id, project.currentRelease ?? -1)
  if (release) return release
  throw new Refusal('conflict', `${project.name} has no release yet`, {
    hint: 'push to it, or upload an archive',
  })
}
