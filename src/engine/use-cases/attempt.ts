import type { Brings, Context } from '../context.ts'
import type { Who } from '../domain/audit.ts'
import type { Deployment } from '../domain/deployment.ts'
import type { Refusal } from '../domain/refusal.ts'
import { abandon, type Candidate, goLive, type Work } from '../pipeline/deploy.ts'
import { createJournal } from '../pipeline/journal.ts'
import { retireOld } from '../pipeline/retire.ts'
import type { ProjectRow } from '../store/projects.ts'
import { type Books, findProject, openBooks, writeFailure, writeSuccess } from './books.ts'
import { noteChanges } from './changes.ts'
import { DeploymentFailed } from './deployment-failed.ts'

/** What is to be made live, and for whom. */
export interface DeployRequest {
  readonly projectId: number
  readonly source: Deployment['source']
  /** For the first line: `9f3c2ab`, `shop.zip`, `v12`. */
  readonly label: string
  readonly who: Who
  /** What it may take the place of while it waits; nothing where it is not said. */
  readonly brings?: Brings
  readonly noCache?: boolean
  /** Sees every line of the log as it is written. */
  readonly output?: (line: string) => void
  readonly signal?: AbortSignal
  /** Told the deployment's number as soon as it has one. */
  readonly onBegin?: (number: number) => void
  /** A last look once it is our turn: refuses when the deployment makes no sense any more. */
  readonly check?: (project: ProjectRow) => Promise<void>
  /** It brings back the release before one that proved worse. */
  readonly switchesBack?: boolean
  /** Part of the transaction that makes it live. */
  readonly onLive?: () => void
}

/** Healthy, and not yet live: one of the two has to follow, and ends the project's turn. */
export interface Proven {
  readonly number: number
  goLive(): Promise<Deployment>
  abandon(why: Refusal): Promise<void>
}

/**
 * One attempt: opens the books, takes the project's turn, proves the candidate. The turn is held until the
 * candidate went live or was abandoned. Throws `DeploymentFailed` with everything already written down.
 */
export async function attempt(
  ctx: Context,
  request: DeployRequest,
  prove: (work: Work) => Promise<Candidate>,
): Promise<Proven> {
  const books = await openBooks(ctx, request)
  let endTurn = () => {}
  const close = () => {
    ctx.attempts.delete(books.id)
    books.waiting.end()
    books.log.close()
    endTurn()
  }
  try {
    await ctx.failpoint('attempt.opened')
    endTurn = await takeTurn(ctx, request, books)
    const work = beginWork(ctx, request, books)
    await ctx.failpoint('attempt.begun')
    await request.check?.(work.project)
    const candidate = await prove(work)
    return {
      number: books.number,
      goLive: () => switchOver(ctx, books, work, request, candidate).finally(close),
      abandon: (why) => giveUp(ctx, books, work, candidate, why).finally(close),
    }
  } catch (error) {
    try {
      const refusal = writeFailure(ctx, books, books.signal.aborted ? books.signal.reason : error)
      throw new DeploymentFailed(refusal, request.projectId, books.number)
    } finally {
      close()
    }
  }
}

async function takeTurn(ctx: Context, request: DeployRequest, books: Books): Promise<() => void> {
  const { waiting, signal } = books
  const end = await ctx.turns.take(request.projectId, signal, () =>
    waiting.for('another deployment of this project to finish'),
  )
  try {
    waiting.over()
    return end
  } catch (error) {
    end()
    throw error
  }
}

/** Only now, with the turn, is it certain what the project is and which number comes next. */
function beginWork(
  ctx: Context,
  request: DeployRequest,
  { id, number, log, veil, attempt, waiting, signal }: Books,
): Work {
  const project = findProject(ctx, request)
  veil.hide(project.readableVars)
  const { store } = ctx
  return {
    project,
    deployment: { id, number, source: request.source },
    release: ctx.store.releases.next(project.id),
    journal: createJournal({ store, deploymentId: id, log, veil, elapsed: () => performance.now() }),
    veil,
    signal,
    waiting,
    ticket: () => attempt.ticket,
    job: jobOf(ctx, id),
    noCache: request.noCache ?? false,
    switchesBack: request.switchesBack ?? false,
    began: performance.now(),
    // while files are made, the version before may be woken
    alone: ctx.turns.host(project.id),
  }
}

/** The mark of every process that a deployment's installs and builds start; unique over all homes. */
export function jobOf(ctx: Context, deploymentId: number): string {
  return `${ctx.paths.home}#${deploymentId}`
}

/** The same work on another source: what is found with the turn, whatever went live while it waited for it. */
export function adoptSource(ctx: Context, work: Work, source: Deployment['source']): Work {
  ctx.store.deployments.setSource(work.deployment.id, source)
  return { ...work, deployment: { ...work.deployment, source } }
}

async function switchOver(
  ctx: Context,
  books: Books,
  work: Work,
  request: DeployRequest,
  candidate: Candidate,
): Promise<Deployment> {
  const { project } = work
  let switched: boolean
  try {
    switched = await goLive(ctx, work, candidate, request.onLive)
  } catch (error) {
    await abandon(ctx, work, candidate)
    throw new DeploymentFailed(writeFailure(ctx, books, error), project.id, books.number)
  }
  const deployment = ctx.store.deployments.find(project.id, books.number) as Deployment
  try {
    await tell(ctx, books, work, deployment)
  } catch (error) {
    // it is live: whatever goes wrong from here on is no failure of the deployment
    ctx.report.error(`after deployment ${books.number} of ${project.name}`, error)
  }
  if (switched) retireOld(ctx, project)
  for (const tell of ctx.onLive) tell(project, deployment)
  return deployment
}

async function tell(ctx: Context, books: Books, work: Work, deployment: Deployment): Promise<void> {
  writeSuccess(ctx, books, work)
  // for later readers, while the old files are still there
  noteChanges(ctx, work.project, deployment)
  await ctx.failpoint('live.told')
}

async function giveUp(
  ctx: Context,
  books: Books,
  work: Work,
  candidate: Candidate,
  why: Refusal,
): Promise<void> {
  await abandon(ctx, work, candidate)
  writeFailure(ctx, books, why)
}
