import type { AttemptUnderWay, Context } from '../context.ts'
import type { DeploymentLog } from '../pipeline/log.ts'

/** A deployment that waits says for what, is shown as queued, and says so again: silence makes people press Ctrl-C. */
export interface Waiting {
  /** It waits for this, or now for that. */
  for(what: string): void
  /** It goes on; nothing to do where it did not wait. */
  over(): void
  /** Nothing is said any more. */
  end(): void
}

const heartbeatMs = 15_000

export function createWaiting(
  ctx: Pick<Context, 'store'>,
  deploymentId: number,
  attempt: AttemptUnderWay,
  log: DeploymentLog,
): Waiting {
  let heartbeat: NodeJS.Timeout | undefined
  return {
    for(what) {
      clearInterval(heartbeat)
      heartbeat = setInterval(() => log.write(`still waiting for ${what}`), heartbeatMs)
      heartbeat.unref()
      log.write(`waiting for ${what}`)
      if (!attempt.waiting) ctx.store.deployments.setStatus(deploymentId, 'queued')
      attempt.waiting = true
    },
    over() {
      clearInterval(heartbeat)
      if (!attempt.waiting) return
      attempt.waiting = false
      ctx.store.deployments.setStatus(deploymentId, 'running')
    },
    end: () => clearInterval(heartbeat),
  }
}
