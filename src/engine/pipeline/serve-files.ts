import path from 'node:path'
import type { Context } from '../context.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import { inForce, type ReleasePlan, type StaticFiles } from '../domain/release-plan.ts'
import type { GroupRef } from '../ports.ts'
import type { ProjectRow } from '../store/projects.ts'
import type { Group } from './discard.ts'
import type { Journal } from './journal.ts'
import { size } from './output.ts'
import { prepareFiles, routeFilesOf } from './static-files.ts'

/** A release whose `web` is files. */
export interface FilesPlan {
  readonly project: ProjectRow
  readonly release: number
  /** The release whose directory holds the files. */
  readonly slug: number
  readonly directory: string
  readonly plan: ReleasePlan
  /** For the step's line: `static files of dist/`. */
  readonly origin: string
}

/**
 * In place of a boot: the files are made ready, and the front door is asked whether it can serve them. No process,
 * no port. Refuses with `health_failed`.
 */
export async function serveFiles(
  ctx: Context,
  { project, release, slug, directory, plan, origin }: FilesPlan,
  site: StaticFiles,
  { journal, signal }: { readonly journal: Journal; readonly signal: AbortSignal },
): Promise<Group> {
  const files = routeFilesOf(directory, plan, site)
  await journal.step('Start', async (step) => {
    step.note(origin)
    const earlier = earlierFolder(ctx, project)
    const prepared = await prepareFiles(files, { signal, earlier, anew: slug === release })
    for (const name of prepared.leftOut)
      step.say(`warning: ${name} leads out of the folder: it is not served`)
    step.note(`${origin}: ${prepared.files}, ${size(prepared.bytes)}`)
  })
  await journal.step('Health', async (step) => {
    const { healthPath } = inForce(project, plan)
    const target = healthPath ?? '/'
    const { status } = await ctx.router.look(files, target)
    step.note(`GET ${target} -> ${status}`)
    if (status === 404 && healthPath === null) step.say('warning: there is no index.html: / is not found')
    if (healthPath !== null && status >= 400) throw unhealthy(target, status)
  })
  const ref: GroupRef = { project: project.name, type: 'web', release, generation: newGeneration(ctx) }
  return { ref, positions: [] }
}

/** Of a release that is live already: nothing to do where its list is there. */
export async function prepareRelease(ctx: Context, project: ProjectRow, release: Release): Promise<void> {
  const { slug, plan } = release
  if (plan.static === null) return
  const files = routeFilesOf(ctx.paths.release(project.name, slug), plan, plan.static)
  await prepareFiles(files, { signal: ctx.closing, earlier: null, anew: false })
}

function newGeneration(ctx: Context): number {
  return ctx.store.settings.next('generation')
}

function earlierFolder(ctx: Context, project: ProjectRow): string | null {
  const current = ctx.store.releases.find(project.id, project.currentRelease ?? -1)
  return current && path.join(ctx.paths.release(project.name, current.slug), current.plan.rootDir)
}

function unhealthy(target: string, status: number): Refusal {
  return new Refusal('health_failed', `${target} returned ${status}, wanted 2xx or 3xx`, {
    hint: 'is healthPath the address of a file?',
  })
}
