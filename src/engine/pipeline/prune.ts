import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Context } from '../context.ts'

/** Removes what no kept release needs: slugs beyond the newest few, half-made ones, links to nothing. */
export async function prune(ctx: Context, projectId: number): Promise<void> {
  const project = ctx.store.projects.find(projectId)
  if (!project) return
  const keep = project.keepReleases ?? ctx.keepReleases
  const needed = neededSlugs(ctx, projectId, project.currentRelease, keep)
  const kept = ctx.store.releases.kept(projectId)
  for (const slug of new Set(kept.map((release) => release.slug))) {
    if (needed.has(slug)) continue
    ctx.store.releases.markPruned(projectId, slug)
    // a release that reused the slug has a link to it
    const numbers = kept.filter((release) => release.slug === slug).map(({ number }) => number)
    for (const number of new Set([...numbers, slug])) await remove(ctx.paths.release(project.name, number))
  }
}

/** Directories under `releases/` that no row knows: what a killed deployment left. Nothing may be under way. */
export async function removeLeftovers(ctx: Context, projectId: number, name: string): Promise<void> {
  const known = new Set(
    ctx.store.releases.kept(projectId).flatMap(({ number, slug }) => [String(number), String(slug)]),
  )
  const directory = ctx.paths.releases(name)
  for (const entry of await readdir(directory).catch(() => [] as string[])) {
    if (!known.has(entry)) await remove(path.join(directory, entry))
  }
}

/** The newest `keep` slugs, and whatever runs, one-off commands too. */
function neededSlugs(ctx: Context, projectId: number, current: number | null, keep: number): Set<number> {
  const needed = new Set(ctx.store.instances.ofProject(projectId).map((row) => row.slug))
  for (const one of ctx.runs) if (one.projectId === projectId) needed.add(one.slug)
  const live = ctx.store.releases.kept(projectId)
  const serving = live.find((release) => release.number === current)
  if (serving) needed.add(serving.slug)
  const newest = new Set<number>()
  for (const release of live) {
    if (newest.size < keep) newest.add(release.slug)
  }
  return new Set([...needed, ...newest])
}

/** An app that is just ending may still write there: try again. */
async function remove(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 })
}
