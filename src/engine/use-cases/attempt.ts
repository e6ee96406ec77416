import type { AttemptUnderWay, Brings, Context } from '../context.ts'
import type { Who } from '../domain/audit.ts'
import type { Deployment } from '../domain/deployment.ts'
import { asRefusal, Refusal } from '../domain/refusal.ts'
import { abandon, type Candidate, goLive, type Work } from '../pipeline/deploy.ts'
import { createJournal } from '../pipeline/journal.ts'
import type { DeploymentLog } from '../pipeline/log.ts'
import { failure, header, liveLines } from '../pipeline/output.ts'
import { retireOld } from '../pipeline/retire.ts'
import type { Veil } from '../secrets.ts'
import type { Outcome } from '../store/deployments.ts'
import type { ProjectRow } from '../store/projects.ts'
import { noteChanges } from './changes.ts'
import { supersedeOlder } from './supersede.ts'
import { switchedBackNote } from './switched-back.ts'
import { createWaiting, type Waiting } from './waiting.ts'

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

/** A deployment that failed: the cause, and the number under which its log is kept. */
export class DeploymentFailed extends Error {
  override readonly name = 'DeploymentFailed'
  readonly refusal: Refusal
  readonly projectId: number
  readonly number: number

  constructor(refusal: Refusal, projectId: number, number: number) {
    super(refusal.message, { cause: refusal })
    this.refusal = refusal
    this.projectId = projectId
    this.number = number
  }
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

/** The mark of every process that a deployment's installs and builds start; unique over all homes. */
export function jobOf(ctx: Context, deploymentId: number): string {
  return `${ctx.paths.home}#${deploymentId}`
}

/** What is written down from the first moment on, while the deployment still waits for its turn too. */
interface Books {
  readonly id: number
  readonly number: number
  readonly log: DeploymentLog
  readonly veil: Veil
  readonly attempt: AttemptUnderWay
  readonly waiting: Waiting
  /** Aborted by the client, by a cancellation, or because the server ends. */
  readonly signal: AbortSignal
}

async function openBooks(ctx: Context, request: DeployRequest): Promise<Books> {
  ctx.closing.throwIfAborted()
  const project = findProject(ctx, request)
  const { source, who } = request
  const status = ctx.turns.busy(project.id) ? 'queued' : 'running'
  const { number, id } = ctx.store.transaction(() => {
    const taken = ctx.store.projects.takeDeploymentNumber(project.id)
    const row = { projectId: project.id, number: taken, source, by: who.name, status } as const
    return { number: taken, id: ctx.store.deployments.create(row) }
  })
  const after = { number, label: request.label, source: source.kind, revision: source.revision.slice(0, 40) }
  ctx.audit({ who, action: 'deployment.begin', project, after })
  const underWay = register(ctx, request, { id, number, waiting: status === 'queued' })
  const log = await openLog(ctx, request, project, { id, number })
  request.onBegin?.(number)
  log.write(header(project.name, request.label, source.message))
  const note = switchedBackNote(ctx, project.id)
  if (note) log.write(note)
  supersedeOlder(ctx, underWay)
  const reasons = [underWay.controller.signal, ctx.closing, ...(request.signal ? [request.signal] : [])]
  const waiting = createWaiting(ctx, id, underWay, log)
  const veil = ctx.secrets.veil(project.name)
  return { id, number, log, veil, attempt: underWay, waiting, signal: AbortSignal.any(reasons) }
}

function register(
  ctx: Context,
  { projectId, label, brings = null }: DeployRequest,
  { id, number, waiting }: { readonly id: number; readonly number: number; readonly waiting: boolean },
): AttemptUnderWay {
  const controller = new AbortController()
  const ticket = ctx.builds.ticket()
  const underWay = { projectId, number, label, brings, controller, ticket, waiting }
  ctx.attempts.set(id, underWay)
  return underWay
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
  }
}

/** The same work on another source: what is found with the turn, whatever went live while it waited for it. */
export function adoptSource(ctx: Context, work: Work, source: Deployment['source']): Work {
  ctx.store.deployments.setSource(work.deployment.id, source)
  return { ...work, deployment: { ...work.deployment, source } }
}

function findProject(ctx: Context, { projectId }: DeployRequest): ProjectRow {
  const project = ctx.store.projects.find(projectId)
  if (project) return project
  throw new Refusal('not_found', 'the project was deleted meanwhile')
}

/** A full disk may show itself here: then the row must not stay "running". */
async function openLog(
  ctx: Context,
  request: DeployRequest,
  project: ProjectRow,
  { id, number }: { readonly id: number; readonly number: number },
): Promise<DeploymentLog> {
  try {
    return await ctx.logs.open(ctx.paths.deploymentLog(project.name, number), request.output)
  } catch (error) {
    ctx.attempts.delete(id)
    ctx.report.error(`the log of deployment ${number} of ${project.name}`, error)
    const refusal = asRefusal(error)
    finish(ctx, id, outcomeOf(refusal))
    for (const line of failure(refusal)) request.output?.(line)
    throw new DeploymentFailed(refusal, project.id, number)
  }
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

/** What its client reads, and what is noted for later readers while the old files are still there. */
async function tell(ctx: Context, { log }: Books, work: Work, deployment: Deployment): Promise<void> {
  const { project } = work
  const { maintenance } = (ctx.store.projects.find(project.id) ?? project).settings
  const ms = performance.now() - work.began
  const lines = liveLines({ project, release: work.release, ms, addresses: ctx.addresses, maintenance })
  for (const line of lines) log.write(line)
  noteChanges(ctx, project, deployment)
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

function writeFailure(ctx: Context, books: Books, error: unknown): Refusal {
  const refusal = books.veil.refusal(asRefusal(error))
  const deployment = ctx.store.deployments.get(books.id)
  const project = deployment && ctx.store.projects.find(deployment.projectId)
  const name = project?.name ?? 'a deleted project'
  if (refusal.code === 'internal') ctx.report.error(`deployment ${books.number} of ${name}`, error)
  finish(ctx, books.id, outcomeOf(refusal))
  for (const line of failure(refusal)) books.log.write(line)
  if (!project) return refusal
  const still = project.status === 'running' && project.currentRelease !== null
  books.log.write(
    `  ${still ? `v${project.currentRelease} is still live` : 'nothing else has changed'}. Full output:`,
  )
  books.log.write(`  ${ctx.addresses.panel()}/projects/${project.name}/deploys/${books.number}`)
  return refusal
}

/** On a full disk even this cannot be written: it is tried again until it can, or until the next start does it. */
function finish(ctx: Context, id: number, outcome: Outcome): void {
  try {
    ctx.store.deployments.finish(id, outcome)
  } catch (error) {
    ctx.report.error(`the end of deployment ${id} could not be written yet`, error)
    setTimeout(() => ctx.closing.aborted || finish(ctx, id, outcome), 5_000).unref()
  }
}

function outcomeOf({ code, message, hint }: Refusal): Outcome {
  const status = code === 'cancelled' || code === 'superseded' ? code : 'failed'
  return { status, error: { code, message, hint: hint ?? null } }
}
