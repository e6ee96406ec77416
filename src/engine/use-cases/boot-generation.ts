import type { Context } from '../context.ts'
import { varsAtRun } from '../domain/config-vars.ts'
import { webCount } from '../domain/process.ts'
import { awake } from '../domain/project.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import type { BootPlan } from '../pipeline/boot.ts'
import { discardCandidate, type Group } from '../pipeline/discard.ts'
import { bootInPlace, endHandover, takeBack } from '../pipeline/handover.ts'
import { silentJournal } from '../pipeline/journal.ts'
import { retireOld } from '../pipeline/retire.ts'
import { switchRoutes } from '../pipeline/switch-routes.ts'
import { placeWorkers } from '../pipeline/workers.ts'
import type { ProjectRow } from '../store/projects.ts'

/** The current release as a new generation: proved, then in the place of whatever runs. Wakes what sleeps. Refuses as a boot does, and with `conflict` where there is no release. */
export async function bootGeneration(ctx: Context, project: ProjectRow): Promise<void> {
  const release = currentRelease(ctx, project)
  const web = await bootInPlace(ctx, planOf(ctx, project, release), silentJournal, ctx.closing)
  await commitOrDiscard(ctx, project, web, () => {
    ctx.store.instances.promote(project.id, web.ref.generation)
    placeWorkers(ctx, project, release, web.ref.generation)
    ctx.store.projects.update(project.id, { status: 'running', ...awake })
  })
  if (await switchOver(ctx, project)) retireOld(ctx, project)
}

/** The front door has the new routes; whether it took them. */
export async function switchOver(ctx: Context, project: ProjectRow): Promise<boolean> {
  const switched = await switchRoutes(ctx)
  await endHandover(ctx, project, switched)
  return switched
}

/** Healthy instances that could not be written down must not stay. */
export async function commitOrDiscard(
  ctx: Context,
  project: ProjectRow,
  web: Group,
  write: () => void,
): Promise<void> {
  try {
    await ctx.failpoint('processes.committing')
    ctx.store.transaction(write)
  } catch (error) {
    await discardCandidate(ctx, project.id, web)
    await takeBack(ctx, project)
    throw error
  }
}

export function planOf(ctx: Context, project: ProjectRow, release: Release): BootPlan {
  const { number, slug, command, plan } = release
  const directory = ctx.paths.release(project.name, slug)
  const count = webCount(project.processes, plan)
  const envVars = varsAtRun(release)
  return { project, release: number, slug, directory, command, origin: command, envVars, plan, count }
}

/** Refuses with `conflict` where there is none. */
export function currentRelease(ctx: Context, project: ProjectRow): Release {
  const release = ctx.store.releases.find(project.id, project.currentRelease ?? -1)
  if (release) return release
  throw new Refusal('conflict', `${project.name} has no release yet`, {
    hint: 'push to it, or upload an archive',
  })
}
