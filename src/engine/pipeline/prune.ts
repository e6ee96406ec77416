import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Context } from '../context.ts'

/**
 * Removes what no kept release needs: slugs beyond the newest few, or older than they are kept for. Returns how many.
 */
export async function prune(ctx: Context, projectId: number): Promise<number> {
  const project = ctx.store.projects.find(projectId)
  if (!project) return 0
  const keep = project.keepReleases ?? ctx.keepReleases
  const needed = neededSlugs(ctx, projectId, project.currentRelease, keep)
  const kept = ctx.store.releases.kept(projectId)
  let count = 0
  for (const slug of new Set(kept.map((release) => release.slug))) {
    if (needed.has(slug)) continue
    count++
    ctx.store.releases.markPruned(projectId, slug)
    // a release that reused the slug has a link to it
    const numbers = kept.filter((release) => release.slug === slug).map(({ number }) => number)
    for (const number of new Set([...numbers, slug])) await remove(ctx.paths.release(project.name, number))
  }
  return count
}

/** Directories under `releases/` that no row knows: what a killed deployment left. Nothing may be under way. */
export async function removeLeftovers(ctx: Context, projectId: number, name: string): Promise<number> {
  const known = new Set(
    ctx.store.releases.kept(projectId).flatMap(({ number, slug }) => [String(number), String(slug)]),
  )
  const directory = ctx.paths.releases(name)
  const unknown = (await readdir(directory).catch(() => [] as string[])).filter((entry) => !known.has(entry))
  for (const entry of unknown) await remove(path.join(directory, entry))
  return unknown.length
}

/** The newest `keep` slugs, and whatever runs, one-off commands too. */
function neededSlugs(ctx: Context, projectId: number, current: number | null, keep: number): Set<number> {
  const needed = new Set(ctx.store.instances.ofProject(projectId).map((row) => row.slug))
  for (const one of ctx.runs) if (one.projectId === projectId) needed.add(one.slug)
  const live = ctx.store.releases.kept(projectId)
  const serving = live.find((release) => release.number === current)
  if (serving) needed.add(serving.slug)
  const { releaseMs } = ctx.keeping
  const since = releaseMs === 0 ? '' : new Date(ctx.clock() - releaseMs).toISOString()
  const newest = new Set<number>()
  for (const release of live) {
    // whatever its age, there is one to roll back to
    const old = release.createdAt < since && newest.size >= 2
    if (newest.size < keep && !old) newest.add(release.slug)
  }
  return new Set([...needed, ...newest])
}

/** An app that is just ending may still write there: try again. */
async function remove(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 })
}
