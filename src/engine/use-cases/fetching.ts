import type { Context } from '../context.ts'
import type { Deployment } from '../domain/deployment.ts'
import { asRefusal, Refusal } from '../domain/refusal.ts'
import type { Fetched } from '../domain/remote.ts'
import { proveSource, type Work } from '../pipeline/deploy.ts'
import type { ProjectRow } from '../store/projects.ts'
import { adoptSource, attempt, type DeployRequest, type Proven } from './attempt.ts'
import type { By } from './deployments.ts'

export type FetchCase = ReturnType<typeof createFetchCase>

/** Part of how it is written down. */
export interface FetchOptions extends By {
  /** Ends as `superseded` where the tip of the branch is live already; else it is deployed once more. */
  readonly onlyNews?: boolean
  /** The remote is about to be asked: what is pushed there from now on may be missed. */
  readonly onFetching?: () => void
  /** The commit that was fetched, before anything is made of it. */
  readonly onFetched?: (sha: string) => void
}

/**
 * Deploys the tip of the remote's branch: fetched with the project's turn, proved like a push, and only then the
 * deploy branch moves there. A failure leaves every branch where it was. Refuses with `not_found` (no remote), and
 * fails as a fetch (`fetch_failed`) and a deployment do.
 */
export function createFetchCase(ctx: Context) {
  return async (project: ProjectRow, options: FetchOptions): Promise<Deployment> => {
    const branch = branchOf(ctx, project)
    const request: DeployRequest = {
      ...options,
      projectId: project.id,
      label: `${branch} of the remote`,
      source: { kind: 'git', revision: branch, message: options.message ?? null },
      brings: 'files',
      onLive: () => {
        if (project.deployBranch === null) ctx.store.projects.update(project.id, { deployBranch: branch })
      },
    }
    let move: Move | null = null
    const proven = await attempt(ctx, request, async (work) => {
      const { name } = work.project
      options.onFetching?.()
      const { sha } = await fetchTip(ctx, work)
      options.onFetched?.(sha)
      if (options.onlyNews) refuseWhatIsLive(ctx, work.project, sha)
      const deployBranch = work.project.deployBranch ?? branch
      move = {
        name,
        branch: deployBranch,
        from: await ctx.repositories.branchTip(name, deployBranch),
        to: sha,
      }
      const source = await ctx.repositories.source(name, sha)
      const { kind, revision, message } = source
      return proveSource(ctx, adoptSource(ctx, work, { kind, revision, message }), source)
    })
    if (!move) throw new Error('proved without having been fetched')
    return goLive(ctx, proven, move)
  }
}

/** The branch of the remote that is deployed. Refuses with `not_found`. */
export function branchOf(ctx: Context, project: ProjectRow): string {
  const remote = ctx.store.remotes.find(project.id)
  if (remote) return remote.branch ?? project.deployBranch ?? 'main'
  throw new Refusal('not_found', `${project.name} has no remote repository`, {
    hint: 'set one: nodepilot remote set git@github.com:ana/shop.git',
  })
}

interface Move {
  readonly name: string
  readonly branch: string
  readonly from: string | null
  readonly to: string
}

async function fetchTip(ctx: Context, { project, journal, signal }: Work): Promise<Fetched> {
  const remote = ctx.store.remotes.find(project.id)
  const secrets = ctx.store.remotes.secrets(project.id)
  const branch = branchOf(ctx, project)
  if (!remote || !secrets) throw new Refusal('not_found', `${project.name} has no remote repository any more`)
  journal.say(`fetching ${branch} of ${remote.url}`)
  const { url, knownHosts, username } = remote
  const { privateKey, token } = secrets
  const from = { url, branch, privateKey, knownHosts, username, token }
  const fetched = await ctx.repositories.fetch(project.name, from, signal)
  await ctx.failpoint('fetch.fetched')
  if (fetched.knownHosts !== knownHosts) ctx.store.remotes.setKnownHosts(project.id, fetched.knownHosts)
  journal.say(`its tip is ${fetched.sha.slice(0, 7)}`)
  return fetched
}

function refuseWhatIsLive(ctx: Context, project: ProjectRow, sha: string): void {
  const live = liveCommit(ctx, project)
  if (live?.sha !== sha) return
  throw new Refusal('superseded', `${sha.slice(0, 7)} is live already, as v${live.release}`, {
    hint: 'nothing is left to do',
  })
}

/** The commit that is live and runs; null: something else, or nothing. */
export function liveCommit(
  ctx: Context,
  project: ProjectRow,
): { readonly sha: string; readonly release: number } | null {
  const current = ctx.store.projects.find(project.id)
  if (!current || current.status === 'stopped') return null
  const release = ctx.store.releases.find(project.id, current.currentRelease ?? -1)
  return release?.source.kind === 'git' ? { sha: release.source.revision, release: release.number } : null
}

/** As git does it for a push: the branch moves, then it goes live; where that fails, the branch moves back. */
async function goLive(ctx: Context, proven: Proven, move: Move): Promise<Deployment> {
  try {
    await moveOn(ctx, move)
  } catch (error) {
    // or it would keep the turn of the project for ever
    const why = asRefusal(error)
    await proven.abandon(why)
    throw why
  }
  try {
    return await proven.goLive()
  } catch (error) {
    await moveBack(ctx, move)
    throw error
  }
}

async function moveOn(ctx: Context, move: Move): Promise<void> {
  const { name, branch, from, to } = move
  if (from !== to && !(await ctx.repositories.moveBranch(name, branch, from, to))) {
    throw new Refusal('superseded', `${branch} has moved while it was fetched`, { hint: 'fetch again' })
  }
  try {
    await ctx.failpoint('fetch.moved')
  } catch (error) {
    await moveBack(ctx, move)
    throw error
  }
}

async function moveBack(ctx: Context, { name, branch, from, to }: Move): Promise<void> {
  if (from !== to) await ctx.repositories.moveBranch(name, branch, to, from)
}
