import type { Context } from '../context.ts'
import type { Deployment } from '../domain/deployment.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import { proveSlug, type VarSet } from '../pipeline/deploy.ts'
import type { ProjectRow } from '../store/projects.ts'
import { adoptSource, attempt } from './attempt.ts'
import type { By } from './deployments.ts'

export type ReleaseCases = ReturnType<typeof createReleaseCases>

export function createReleaseCases(ctx: Context) {
  return {
    /** Newest first, pruned ones too. */
    list: (project: ProjectRow): Release[] => ctx.store.releases.list(project.id),

    find: (project: ProjectRow, number: number): Release | null =>
      ctx.store.releases.find(project.id, number),

    /** Those that can be rolled back to, newest first. */
    kept: (project: ProjectRow): Release[] => ctx.store.releases.kept(project.id),

    /**
     * Brings an older release back as a new one: its files and, with `restoreEnv`, its config vars.
     * Without a number: the release before the current one.
     */
    async rollback(
      project: ProjectRow,
      target: { readonly release?: number | undefined; readonly restoreEnv?: boolean | undefined },
      by: By,
    ): Promise<Deployment> {
      const wanted = findTarget(ctx, project, target.release)
      let base = wanted
      const request = {
        ...by,
        projectId: project.id,
        label: `back to v${wanted.number}`,
        source: sourceOf(wanted),
        onLive: () => {
          if (target.restoreEnv) ctx.store.projects.update(project.id, varsOf(base))
        },
      }
      const proven = await attempt(ctx, request, (work) => {
        // with the turn, "the one before" may be another one, and pruning may have been faster
        base = findTarget(ctx, work.project, target.release)
        const vars = target.restoreEnv ? base : work.project
        return proveSlug(ctx, adoptSource(ctx, work, sourceOf(base)), base, vars)
      })
      const deployment = await proven.goLive()
      ctx.audit({
        who: by.who,
        action: 'release.rollback',
        project,
        before: { release: project.currentRelease },
        after: { release: deployment.release, filesOf: base.number, restoreEnv: target.restoreEnv ?? false },
      })
      return deployment
    },
  }
}

function varsOf({ envVars, envScopes }: Release): VarSet {
  return { envVars, envScopes }
}

function sourceOf(base: Release): Deployment['source'] {
  return { kind: 'release', revision: `v${base.number}`, message: base.source.message }
}

function findTarget(ctx: Context, project: ProjectRow, number: number | undefined): Release {
  const kept = ctx.store.releases.kept(project.id)
  const before = (release: Release) => release.number < (project.currentRelease ?? 0)
  const target = number === undefined ? kept.find(before) : kept.find((release) => release.number === number)
  if (target) return target
  const names = kept.map((release) => `v${release.number}`).join(', ') || 'none'
  if (number !== undefined && ctx.store.releases.find(project.id, number)) {
    throw new Refusal('conflict', `release: the files of v${number} have been pruned`, {
      hint: `kept are: ${names}`,
    })
  }
  throw new Refusal(
    number === undefined ? 'conflict' : 'not_found',
    number === undefined
      ? `${project.name} has no release before the current one`
      : `release: there is no v${number}`,
    { hint: `kept are: ${names}` },
  )
}
