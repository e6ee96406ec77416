import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from '../context.ts'
import { theServer } from '../domain/audit.ts'
import type { Comparison } from '../domain/comparison.ts'
import type { Deployment } from '../domain/deployment.ts'
import { judgeRelease } from '../domain/judge-release.ts'
import { asRefusal, Refusal } from '../domain/refusal.ts'
import { shareOf } from '../metrics/counts.ts'
import type { ReleaseTraffic } from '../metrics/release-traffic.ts'
import { proveKept } from '../pipeline/recall.ts'
import { retireOld } from '../pipeline/retire.ts'
import type { ProjectRow } from '../store/projects.ts'
import { attempt } from './attempt.ts'
import { DeploymentFailed } from './deployment-failed.ts'

/** Between two looks, ms. */
const everyMs = 5_000

type Watched = Deployment & { readonly comparison: Comparison }

/**
 * The first minute of a release beside the release before it. With the regression guard, a release that is clearly
 * worse (`domain/judge-release.ts`) is taken out of service: the one before comes back as a new release.
 */
export function createReleaseWatch(ctx: Context, traffic: ReleaseTraffic) {
  const begin = (project: ProjectRow, deployment: Deployment): void => {
    const { comparison } = deployment
    if (comparison?.state !== 'watching') return
    ctx.background.run(`watching v${deployment.release} of ${project.name}`, () =>
      watch(ctx, traffic, project, { ...deployment, comparison }),
    )
  }
  return {
    begin,
    /** After a start: minutes that the server did not see the end of. */
    resume(): void {
      for (const deployment of ctx.store.deployments.watched()) {
        const project = ctx.store.projects.find(deployment.projectId)
        if (project) begin(project, deployment)
      }
    },
  }
}

async function watch(
  ctx: Context,
  traffic: ReleaseTraffic,
  project: ProjectRow,
  watched: Watched,
): Promise<void> {
  let { comparison } = watched
  const until = Date.parse(comparison.until)
  const note = (next: Comparison) => {
    comparison = next
    ctx.store.deployments.setComparison(watched.id, next)
  }
  if (comparison.before.requests === 0) {
    const { release } = comparison.before
    const recent = await traffic.recent(project.name, release)
    if (recent) note({ ...comparison, before: shareOf(release, recent) })
  }
  for (let over = false; !over; ) {
    await pause(Math.min(everyMs, Math.max(until - ctx.clock(), 0)), undefined, { signal: ctx.closing })
      // the next start goes on with it
      .catch(() => {})
    if (ctx.closing.aborted) return
    over = ctx.clock() >= until
    const current = ctx.store.projects.find(project.id)
    if (!current) return
    const looked = await look(traffic, project, comparison, over)
    if (current.currentRelease !== watched.release || current.status !== 'running') {
      note({ ...looked, state: 'ended' })
      return
    }
    note(looked)
    if (looked.guarded && looked.verdict === 'worse') {
      if (await switchBack(ctx, project, watched, looked)) return
      break
    }
  }
  note({ ...comparison, state: 'done' })
  if (!comparison.guarded) return
  ctx.store.instances.letGo(project.id)
  retireOld(ctx, project)
}

async function look(
  traffic: ReleaseTraffic,
  project: ProjectRow,
  comparison: Comparison,
  over: boolean,
): Promise<Comparison> {
  const { before, current } = comparison
  const counts = await traffic.of(project.name, current.release)
  const now = counts ? shareOf(current.release, counts) : current
  return { ...comparison, current: now, ...judgeRelease(now, before, { times: over }) }
}

/** False where the release before could not be brought back: then the new one stays. */
async function switchBack(
  ctx: Context,
  project: ProjectRow,
  watched: Watched,
  comparison: Comparison,
): Promise<boolean> {
  const { current, before, reason } = comparison
  const say = (line: string) => addToLog(ctx, project, watched, line)
  await say(`warning: ${reason}`)
  try {
    // whoever is at work on the project may be bringing a better one
    const end = await ctx.turns.take(project.id, ctx.closing)
    end()
    const base = requireStill(ctx, project, comparison)
    const source = { kind: 'release', revision: `v${base.number}`, message: base.source.message } as const
    let number = 0
    const request = {
      projectId: project.id,
      source,
      label: `back to v${base.number}`,
      who: theServer,
      switchesBack: true,
      onBegin: (taken: number) => {
        number = taken
      },
      onLive: () =>
        ctx.store.deployments.setComparison(watched.id, {
          ...comparison,
          state: 'switched_back',
          switchedBackBy: number,
        }),
    }
    const proven = await attempt(ctx, request, (work) =>
      proveKept(ctx, work, requireStill(ctx, work.project, comparison)),
    )
    const { release } = await proven.goLive()
    const facts = { number, filesOf: before.release, reason }
    ctx.audit({
      who: theServer,
      action: 'release.guard',
      project,
      before: { release: current.release },
      after: { release, ...facts },
    })
    await say(
      `warning: the regression guard switched back to v${before.release}, as v${release} (deployment ${number})`,
    )
    return true
  } catch (error) {
    if (ctx.closing.aborted) return true
    const { code, message } = error instanceof DeploymentFailed ? error.refusal : asRefusal(error)
    if (code === 'internal') ctx.report.error(`switching ${project.name} back`, error)
    await say(`warning: v${before.release} was not brought back: ${message}`)
    return false
  }
}

/** The release to go back to, if the one that was judged is still live. */
function requireStill(ctx: Context, project: ProjectRow, { current, before }: Comparison) {
  const live = ctx.store.projects.find(project.id)
  if (live?.currentRelease !== current.release || live.status !== 'running') {
    throw new Refusal('superseded', `v${current.release} is not live any more`, {
      hint: 'nothing is left to do',
    })
  }
  const base = ctx.store.releases.kept(project.id).find(({ number }) => number === before.release)
  if (base) return base
  throw new Refusal('conflict', `the files of v${before.release} have been pruned`)
}

/** The log of a deployment that has ended, which its client has read already. */
async function addToLog(
  ctx: Context,
  project: ProjectRow,
  { number }: Deployment,
  line: string,
): Promise<void> {
  try {
    const log = await ctx.logs.open(ctx.paths.deploymentLog(project.name, number))
    log.write(line)
    log.close()
  } catch (error) {
    ctx.report.error(`the log of deployment ${number} of ${project.name}`, error)
  }
}
