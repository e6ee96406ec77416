import { rm } from 'node:fs/promises'
import { projectOfKey, rebuildKey, rebuildPrefix } from '../backup/rebuild-key.ts'
import { walk } from '../backup/walk.ts'
import type { Context } from '../context.ts'
import { theServer } from '../domain/audit.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import type { Source, SourceEntry } from '../ports.ts'
import type { ProjectRow } from '../store/projects.ts'
import { DeploymentFailed } from './deployment-failed.ts'
import type { DeploymentsCases } from './deployments.ts'
import type { ProcessCases } from './processes.ts'

/**
 * After a restore: what was live is deployed again, from its commit or from the files that were saved. One after
 * another, because all of them at once would be more than the machine ever did. What fails is tried again at the
 * next start; a push does it as well.
 */
export function rebuildRestored(
  ctx: Context,
  cases: { readonly deployments: DeploymentsCases; readonly processes: ProcessCases },
): void {
  const names = ctx.store.settings.keys(rebuildPrefix).map(projectOfKey)
  if (names.length === 0) return
  ctx.background.run('building restored projects again', async () => {
    for (const name of names) {
      if (ctx.closing.aborted) return
      await rebuild(ctx, name, cases).catch((error: unknown) =>
        ctx.report.error(`${name} could not be built again after the restore`, error),
      )
    }
  })
}

async function rebuild(
  ctx: Context,
  name: string,
  { deployments, processes }: Parameters<typeof rebuildRestored>[1],
): Promise<void> {
  const key = rebuildKey(name)
  const status = ctx.store.settings.get(key)
  const project = ctx.store.projects.find(name)
  const release = project && ctx.store.releases.find(project.id, project.currentRelease ?? -1)
  // pushed meanwhile, or deleted
  if (!project || !release || serves(ctx, project)) return ctx.store.settings.remove(key)
  const check = async () => {
    if (serves(ctx, project)) throw overtaken()
  }
  const by = { who: theServer, message: release.source.message, check, keepsItsPlace: true }
  try {
    if (release.source.kind === 'git') await deployments.deployRef(project, release.source.revision, by)
    else await deployments.deploySource(project, savedSource(ctx, project, release), by)
  } catch (error) {
    if (!(error instanceof DeploymentFailed) || error.refusal.code !== 'superseded') throw error
    return ctx.store.settings.remove(key)
  }
  ctx.store.settings.remove(key)
  if (status === 'stopped') await processes.stop(project, theServer)
  if (release.source.kind === 'git') return
  // it lacks its node_modules: nothing can be rolled back to it
  ctx.store.releases.markPruned(project.id, release.slug)
  await rm(ctx.paths.release(name, release.slug), { recursive: true, force: true })
}

/** Or would, as soon as it is asked: what sleeps went live after the restore. */
function serves(ctx: Context, { id }: ProjectRow): boolean {
  if (ctx.store.projects.find(id)?.asleepAt != null) return true
  return ctx.store.instances.ofProject(id, 'serving').length > 0
}

function overtaken(): Refusal {
  return new Refusal('superseded', 'something newer went live while this waited', {
    hint: 'nothing is left to do',
  })
}

/** The files of a slug, as they were uploaded and built. */
function savedSource(ctx: Context, project: ProjectRow, release: Release): Source {
  const { kind, revision, message } = release.source
  const slug = ctx.paths.release(project.name, release.slug)
  return {
    kind,
    revision,
    message,
    label: `v${release.number} again`,
    bytes: null,
    entries: () => entriesOf(slug),
  }
}

async function* entriesOf(slug: string): AsyncGenerator<SourceEntry> {
  for await (const item of walk(slug, '.', { without: new Set(['node_modules']) })) {
    const path = item.path.slice(2)
    if (path === '' || item.kind === 'skipped') continue
    if (item.kind === 'folder') yield { path, kind: 'directory', mode: item.mode, size: null, body: nothing }
    else if (item.kind === 'link') {
      const target = Buffer.from(item.target)
      yield { path, kind: 'symlink', mode: 0o777, size: null, body: () => [target].values() as never }
    } else yield { path, kind: 'file', mode: item.mode, size: item.size, body: () => item.body() }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
