import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { type Changes, compareVersions, type Version } from '../changes/compare.ts'
import type { DependencyFiles } from '../changes/dependencies.ts'
import type { Context } from '../context.ts'
import { comparableVars } from '../domain/config-vars.ts'
import type { Deployment } from '../domain/deployment.ts'
import type { Release } from '../domain/release.ts'
import type { Source, SourceHistory } from '../ports.ts'
import type { ProjectRow } from '../store/projects.ts'

export type ChangesCases = ReturnType<typeof createChangesCases>

/** The one that npm reads comes first. */
const lockfiles = ['npm-shrinkwrap.json', 'package-lock.json'] as const

/** "What did this deployment change?" Answered from what was written down, because slugs and commits go. */
export function createChangesCases(ctx: Context) {
  return {
    /** Against the release that was live before it. */
    async of(project: ProjectRow, deployment: Deployment): Promise<Changes> {
      const kept = ctx.store.changes.find(deployment.id)
      if (kept !== null) return JSON.parse(kept) as Changes
      const found = await compareVersions(
        await versionBefore(ctx, project, deployment),
        await versionOf(ctx, project, deployment),
      )
      if (deployment.finishedAt !== null) write(ctx, deployment, found)
      return found
    },
  }
}

/** After the switch, while the files of the old release are still there; nobody waits for it. */
export function noteChanges(ctx: Context, project: ProjectRow, deployment: Deployment): void {
  ctx.background.run(`noting what deployment ${deployment.number} of ${project.name} changed`, async () => {
    await createChangesCases(ctx).of(project, deployment)
  })
}

/**
 * What a failed deployment would have changed. Awaited before the client leaves: git forgets the commits of a
 * push that is rejected.
 */
export async function noteFailedChanges(
  ctx: Context,
  project: ProjectRow,
  number: number,
  source: Source,
): Promise<void> {
  const deployment = ctx.store.deployments.find(project.id, number)
  if (!deployment) return
  try {
    const { history = null } = source
    const files = await filesOfCommit(history)
    const after: Version = {
      ...{ release: null, files, envVars: comparableVars(project), commands: null },
      commit: history && source.revision,
      history: async () => history,
    }
    write(ctx, deployment, await compareVersions(await versionBefore(ctx, project, deployment), after))
  } catch (error) {
    ctx.report.error(`noting what deployment ${number} of ${project.name} would have changed`, error)
  }
}

/** Unless the project was deleted meanwhile. */
function write(ctx: Context, deployment: Deployment, changes: Changes): void {
  if (ctx.store.deployments.get(deployment.id)) ctx.store.changes.put(deployment.id, JSON.stringify(changes))
}

/** The newest release that an earlier deployment made: every release was live until the next one came. */
async function versionBefore(
  ctx: Context,
  project: ProjectRow,
  { number }: Deployment,
): Promise<Version | null> {
  const before = ctx.store.releases.before(project.id, number)
  return before ? versionOfRelease(ctx, project, before) : null
}

async function versionOf(ctx: Context, project: ProjectRow, deployment: Deployment): Promise<Version> {
  const release = deployment.release === null ? null : ctx.store.releases.find(project.id, deployment.release)
  if (release) return versionOfRelease(ctx, project, release)
  const { kind, revision } = deployment.source
  const commit = kind === 'git' ? revision : null
  const history = () => historyOf(ctx, project, commit)
  const files = await filesOfCommit(await history())
  return { release: null, commit, history, files, envVars: comparableVars(project), commands: null }
}

async function versionOfRelease(ctx: Context, project: ProjectRow, release: Release): Promise<Version> {
  const { number, source, slug, command, workers } = release
  const envVars = comparableVars(release)
  const commit = source.kind === 'git' ? source.revision : null
  const history = () => historyOf(ctx, project, commit)
  // pruning may be under way: then the repository still knows them
  const { rootDir } = release.plan
  const onDisk = await filesOnDisk(ctx.paths.release(project.name, slug), rootDir)
  const files = onDisk ?? (await filesOfCommit(await history(), rootDir))
  return { release: number, commit, history, files, envVars, commands: { ...workers, web: command } }
}

async function historyOf(
  ctx: Context,
  project: ProjectRow,
  commit: string | null,
): Promise<SourceHistory | null> {
  if (commit === null) return null
  return (await ctx.repositories.source(project.repository, commit)).history ?? null
}

/** Null where the slug is gone. */
async function filesOnDisk(slug: string, rootDir: string): Promise<DependencyFiles | null> {
  const read = (name: string) => readFile(path.join(slug, name), 'utf8').catch(() => null)
  const files = await findFiles(read, rootDir)
  return files.lockfile === null && files.manifest === null ? null : files
}

async function filesOfCommit(history: SourceHistory | null, rootDir = ''): Promise<DependencyFiles | null> {
  return history && findFiles((name) => history.file(name), rootDir)
}

/** A workspace has its lockfile at the top, any other folder one of its own. */
async function findFiles(
  read: (name: string) => Promise<string | null>,
  rootDir: string,
): Promise<DependencyFiles> {
  const places = rootDir === '' ? [''] : [rootDir, '']
  const candidates = places.flatMap((folder) => lockfiles.map((name) => path.posix.join(folder, name)))
  const found = await Promise.all(candidates.map(read))
  const manifest = await read(path.posix.join(rootDir, 'package.json'))
  return { lockfile: found.find((text) => text !== null) ?? null, manifest }
}
