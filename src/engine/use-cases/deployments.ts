import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { openUpload } from '../archive.ts'
import type { Brings, Context } from '../context.ts'
import type { Who } from '../domain/audit.ts'
import type { Deployment } from '../domain/deployment.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import { type Candidate, proveSlug, proveSource, type Work } from '../pipeline/deploy.ts'
import type { Source } from '../ports.ts'
import type { DeploymentsPage, NewestDeployment } from '../store/deployments.ts'
import type { ProjectRow } from '../store/projects.ts'
import { adoptSource, attempt, type DeployRequest, type Proven } from './attempt.ts'
import { noteFailedChanges } from './changes.ts'
import { DeploymentFailed } from './deployment-failed.ts'

export type DeploymentsCases = ReturnType<typeof createDeploymentCases>

export interface By {
  readonly who: Who
  readonly signal?: AbortSignal
  readonly output?: (line: string) => void
  readonly noCache?: boolean
  /** Told the deployment's number as soon as it has one. */
  readonly onBegin?: (number: number) => void
  readonly message?: string | null
  /** Asked once it is its turn: refuses when it makes no sense any more. */
  readonly check?: () => Promise<void>
  /** Newer files do not take its place while it waits. */
  readonly keepsItsPlace?: boolean
}

export interface PushedCommit extends By {
  readonly project: ProjectRow
  readonly source: Source
  /** Refuses when the branch has moved while the push waited for its turn. */
  readonly check: () => Promise<void>
  readonly onLive: () => void
}

export function createDeploymentCases(ctx: Context) {
  /** Everything up to a healthy candidate; the caller decides when it goes live. */
  const prove = async (
    project: ProjectRow,
    source: Source,
    request: By & Pick<DeployRequest, 'onLive'>,
  ): Promise<Proven> => {
    const { kind, revision, label } = source
    const message = request.message ?? source.message
    const attempted = {
      ...request,
      projectId: project.id,
      label,
      source: { kind, revision, message },
      brings: bringsFiles(request),
    }
    try {
      return await attempt(ctx, attempted, (work) => proveSource(ctx, work, source))
    } catch (error) {
      if (error instanceof DeploymentFailed) await noteFailedChanges(ctx, project, error.number, source)
      throw error
    }
  }
  const goLive = async (proven: Promise<Proven>): Promise<Deployment> => (await proven).goLive()

  const proveCommit = async (work: Work, sha: string): Promise<Candidate> => {
    const source = await ctx.repositories.source(work.project.repository, sha)
    const { kind, revision, message } = source
    return proveSource(ctx, adoptSource(ctx, work, { kind, revision, message }), source)
  }

  const currentRelease = (project: ProjectRow): Release => {
    const current = ctx.store.releases.find(project.id, project.currentRelease ?? -1)
    if (current) return current
    throw new Refusal('conflict', `${project.name} has nothing to deploy again`, {
      hint: 'push to it, or upload an archive',
    })
  }

  return {
    /** A push, up to the point where git may move the ref. */
    provePush: (push: PushedCommit): Promise<Proven> => prove(push.project, push.source, push),

    /** An uploaded archive on disk, in one go. The file stays the caller's. */
    async deployUpload(project: ProjectRow, file: string, filename: string, by: By): Promise<Deployment> {
      const source = await openUpload({ file, filename, sha256: await sha256(file) })
      return goLive(prove(project, source, by))
    },

    /** Files that are on this machine already, in one go. */
    deploySource: (project: ProjectRow, source: Source, by: By): Promise<Deployment> =>
      goLive(prove(project, source, by)),

    /** A branch, tag or commit that is in the project's repository already. */
    async deployRef(project: ProjectRow, ref: string, by: By): Promise<Deployment> {
      const resolve = async () => {
        const sha = await ctx.repositories.resolve(project.repository, ref)
        if (sha) return sha
        throw new Refusal('not_found', `ref: there is no branch, tag or commit ${ref} in its repository`, {
          hint: 'push it first',
        })
      }
      const { kind, revision, message, label } = await ctx.repositories.source(
        project.repository,
        await resolve(),
      )
      const request = {
        ...by,
        projectId: project.id,
        label,
        source: { kind, revision, message },
        brings: bringsFiles(by),
      }
      return goLive(attempt(ctx, request, async (work) => proveCommit(work, await resolve())))
    },

    /** The current source once more: a commit is built anew, an upload boots again from its slug. */
    async redeploy(project: ProjectRow, by: By): Promise<Deployment> {
      const { number, source } = currentRelease(project)
      const request = {
        ...by,
        projectId: project.id,
        label: `v${number} again`,
        source,
        brings: 'current' as const,
      }
      return goLive(
        attempt(ctx, request, (work) => {
          const current = currentRelease(work.project)
          if (current.source.kind === 'git') return proveCommit(work, current.source.revision)
          return proveSlug(ctx, adoptSource(ctx, work, current.source), current, work.project)
        }),
      )
    },

    find(project: ProjectRow, number: number): Deployment {
      const deployment = ctx.store.deployments.find(project.id, number)
      if (deployment) return deployment
      const newest = ctx.store.deployments.list(project.id, { limit: 1 })[0]
      throw new Refusal('not_found', `${project.name} has no deployment ${number}`, {
        hint: newest ? `the newest is ${newest.number}` : 'nothing was deployed yet',
      })
    },

    list: (project: ProjectRow, page: { before?: number; limit?: number }): Deployment[] =>
      ctx.store.deployments.list(project.id, page),

    /** Of many projects, newest first; `before` is the id of the last one of the page before. */
    listAll: (page: DeploymentsPage): Deployment[] => ctx.store.deployments.listAll(page),

    /** The one that the regression guard has taken out of service for what is live now; null: it has not. */
    switchedBack: (project: ProjectRow): Deployment | null => ctx.store.deployments.switchedBack(project.id),

    /** How many, by project and status. */
    counts: () => ctx.store.deployments.counts(),

    /** The last deployment of every project that had one, by the project's id. */
    newestOfEach: (): ReadonlyMap<number, NewestDeployment> =>
      new Map(ctx.store.deployments.newestOfEach().map((newest) => [newest.projectId, newest])),

    /** Of all projects: those that began after the one with this id, oldest first. */
    after: (id: number): Deployment[] => ctx.store.deployments.after(id),

    /** A mark for `after`: the id of the newest deployment of all. */
    newestId: (): number => ctx.store.deployments.newestId(),

    /** Refuses with `gone` where the log of a deployment that has ended was removed. */
    requireLog(project: ProjectRow, { number, finishedAt }: Deployment): void {
      if (finishedAt === null || existsSync(ctx.paths.deploymentLog(project.name, number))) return
      throw new Refusal('gone', `the log of deployment ${number} is not kept any more`, {
        hint: 'the server keeps them as long as keepDeploymentLogs and keepDeploymentLogDays say',
      })
    },

    /** The whole log, and what is still to come. */
    async *log(project: ProjectRow, number: number, signal: AbortSignal): AsyncGenerator<string> {
      for await (const lines of this.logPieces(project, number, signal)) yield* lines
    },

    /** The same, as many lines together as there are. */
    async *logPieces(
      project: ProjectRow,
      number: number,
      signal: AbortSignal,
    ): AsyncGenerator<readonly string[]> {
      try {
        yield* ctx.logs.pieces(ctx.paths.deploymentLog(project.name, number), signal)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    },

    /** Asks a deployment under way to end; one that has ended is left as it is. */
    cancel(project: ProjectRow, deployment: Deployment, who: Who): void {
      const why = new Refusal('cancelled', 'the deployment was cancelled', {
        hint: 'deploy again when you want it after all',
      })
      ctx.attempts.get(deployment.id)?.controller.abort(why)
      ctx.audit({ who, action: 'deployment.cancel', project, after: { number: deployment.number } })
    },
  }
}

function bringsFiles({ keepsItsPlace }: By): Brings {
  return keepsItsPlace ? null : 'files'
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
