import type { Context } from '../context.ts'

/** For whoever deploys next: the release they believe live was taken out of service. */
export function switchedBackNote(ctx: Context, projectId: number): string | null {
  const comparison = ctx.store.deployments.switchedBack(projectId)?.comparison
  if (!comparison) return null
  const { current, before, reason } = comparison
  return `warning: v${current.release} was switched back to v${before.release} by the regression guard: ${reason}`
}
