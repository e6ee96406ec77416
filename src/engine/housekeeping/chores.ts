import { randomBytes } from 'node:crypto'
import { renameSync } from 'node:fs'
import { lstat, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Context } from '../context.ts'
import { prune, removeLeftovers } from '../pipeline/prune.ts'
import { pruneToolchains } from '../pipeline/toolchain/system.ts'
import { pruneDeploymentLogs } from './deployment-logs.ts'
import { sizesOf } from './measure.ts'

/** What grows and is not needed any more, one chore each. A chore returns how many things it removed. */
export interface Chore {
  /** For people: what it removes. */
  readonly what: string
  readonly work: (ctx: Context) => Promise<number>
}

const dayMs = 86_400_000
/** A kept node_modules, a Node or the caches of a project's builds that nothing has asked for this long go. */
const unusedMs = 30 * dayMs
/** Half-made things are made within minutes. */
const leftoverMs = dayMs
const gitEveryMs = 7 * dayMs
const gitKey = 'housekeeping-git'

export const chores: readonly Chore[] = [
  { what: 'releases', work: (ctx) => eachIdleProject(ctx, ({ id }) => prune(ctx, id)) },
  {
    what: 'half-made releases',
    work: (ctx) => eachIdleProject(ctx, ({ id, name }) => removeLeftovers(ctx, id, name)),
  },
  { what: 'deployment logs', work: pruneDeploymentLogs },
  {
    what: 'unused node_modules',
    work: (ctx) => ctx.dependencies.prune({ maxAgeMs: unusedMs, keep: 20 }),
  },
  {
    what: 'unused versions of Node and package managers',
    work: async (ctx) => (await pruneToolchains(ctx, unusedMs)).length,
  },
  { what: 'npm cache', work: npmCache },
  { what: 'caches of builds', work: buildHomes },
  { what: 'temporary files', work: temporaryFiles },
  {
    what: 'failed sign-ins',
    work: async (ctx) => ctx.store.accounts.purgeFailures(new Date(ctx.clock() - dayMs).toISOString()),
  },
  { what: 'entries of the audit log', work: async (ctx) => ctx.store.audit.prune(ctx.clock()) },
  { what: 'garbage of repositories', work: repositories },
]

/** What can be made again, when the disk is short. */
export const rebuildable: readonly Chore[] = [
  { what: 'unused node_modules', work: (ctx) => ctx.dependencies.prune({ maxAgeMs: dayMs, keep: 0 }) },
  { what: 'npm cache', work: (ctx) => dropWhileIdle(ctx, npmCacheOf(ctx)) },
]

/** With the turn of each: nothing else changes its files. Who is at work is left to the next time. */
async function eachIdleProject(
  ctx: Context,
  work: (project: { readonly id: number; readonly name: string }) => Promise<number>,
): Promise<number> {
  let count = 0
  for (const project of ctx.store.projects.list()) {
    if (ctx.closing.aborted || ctx.turns.busy(project.id)) continue
    const end = await ctx.turns.take(project.id, ctx.closing)
    try {
      count += await work(project)
    } finally {
      end()
    }
  }
  return count
}

const npmCacheOf = ({ paths }: Context) => path.join(paths.cache, 'npm')

/** Whole: npm has no way to drop what is old, and what is needed comes again by itself. */
async function npmCache(ctx: Context): Promise<number> {
  const cache = npmCacheOf(ctx)
  const bytes = (await sizesOf([cache], { env: ctx.environment })).get(cache) ?? 0
  return bytes > ctx.keeping.npmCacheBytes ? dropWhileIdle(ctx, cache) : 0
}

async function buildHomes(ctx: Context): Promise<number> {
  const homes = ctx.store.projects.list().map(({ id, name }) => ({ id, home: ctx.paths.buildHome(name) }))
  const sizes = await sizesOf(
    homes.map(({ home }) => home),
    { env: ctx.environment },
  )
  let count = 0
  for (const { id, home } of homes) {
    const age =
      ctx.clock() -
      (await lstat(home)
        .catch(() => null)
        .then((found) => found?.mtimeMs ?? ctx.clock()))
    const large = (sizes.get(home) ?? 0) > ctx.keeping.buildHomeBytes
    if ((large || age > unusedMs) && !ctx.turns.busy(id)) count += await dropWhileIdle(ctx, home)
  }
  return count
}

/** Out of sight in the same turn of the event loop in which no build was seen; then really. */
async function dropWhileIdle(ctx: Context, directory: string): Promise<number> {
  if (ctx.builds.building() > 0 || ctx.toolchains.fetching() > 0) return 0
  const aside = path.join(ctx.paths.cache, `.old-${randomBytes(6).toString('hex')}`)
  try {
    renameSync(directory, aside)
  } catch {
    return 0
  }
  await rm(aside, { recursive: true, force: true })
  return 1
}

/** What a process that was killed left behind under a temporary name. */
async function temporaryFiles(ctx: Context): Promise<number> {
  const { home, uploads, repositories, cache } = ctx.paths
  const places: readonly (readonly [string, RegExp])[] = [
    [home, /^\.confine-/],
    [uploads, /./],
    [repositories, /^\.(new|removed)-/],
    [cache, /^\.old-/],
    [path.join(cache, 'build-home'), /^npm-/],
  ]
  let count = 0
  for (const [directory, pattern] of places) {
    for (const name of await readdir(directory).catch(() => [] as string[])) {
      const file = path.join(directory, name)
      const found = pattern.test(name) ? await lstat(file).catch(() => null) : null
      if (!found || found.mtimeMs > ctx.clock() - leftoverMs) continue
      await rm(file, { recursive: true, force: true })
      count++
    }
  }
  return count
}

/** Once a week all of it; what pushes pile up is packed after each deployment. */
async function repositories(ctx: Context): Promise<number> {
  const last = Number(ctx.store.settings.get(gitKey) ?? 0)
  // a time in the future was noted while the clock was wrong
  if (ctx.clock() - last < gitEveryMs && last <= ctx.clock()) return 0
  ctx.store.settings.set(gitKey, String(ctx.clock()))
  // commits of previews are in the repository of their project
  const kept = new Map<string, Set<string>>()
  for (const { id, repository } of ctx.store.projects.list()) {
    const revisions = kept.get(repository) ?? new Set()
    kept.set(repository, revisions)
    for (const { source } of ctx.store.releases.kept(id)) {
      if (source.kind === 'git') revisions.add(source.revision)
    }
  }
  for (const [repository, revisions] of kept) {
    if (ctx.closing.aborted) break
    await ctx.repositories.collect(repository, [...revisions])
  }
  // git does not say how much it was
  return 0
}
