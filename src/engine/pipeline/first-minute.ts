import type { Context } from '../context.ts'
import type { ReleaseShare } from '../domain/comparison.ts'
import type { Work } from './deploy.ts'

/**
 * Part of the transaction that makes a release live, before its generation takes over: from now on it is watched
 * beside the release before it (`use-cases/watch-release.ts`). With the regression guard, that one's processes stay
 * for the time, to be switched back to without a start.
 */
export function beginFirstMinute(ctx: Context, work: Work, generation: number): void {
  const { project, deployment, release } = work
  ctx.store.instances.letGo(project.id)
  if (project.currentRelease === null || project.status !== 'running') return
  const now = ctx.clock()
  const until = new Date(now + ctx.limits.watchMs).toISOString()
  const guarded = project.settings.regressionGuard && !work.switchesBack
  // two generations of such a project never run at once
  if (guarded && project.settings.overlap) ctx.store.instances.keep(project.id, generation, until)
  ctx.store.deployments.setComparison(deployment.id, {
    state: 'watching',
    guarded,
    since: new Date(now).toISOString(),
    until,
    current: nothingYet(release),
    before: nothingYet(project.currentRelease),
    verdict: 'too_few',
    reason: 'it has only just gone live',
    switchedBackBy: null,
  })
}

function nothingYet(release: number): ReleaseShare {
  return { release, requests: 0, errors: 0, p50Ms: null, p95Ms: null }
}
