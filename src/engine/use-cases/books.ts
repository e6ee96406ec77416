import type { AttemptUnderWay, Context } from '../context.ts'
import { asRefusal, Refusal } from '../domain/refusal.ts'
import type { Work } from '../pipeline/deploy.ts'
import type { DeploymentLog } from '../pipeline/log.ts'
import { failure, header, liveLines } from '../pipeline/output.ts'
import type { Veil } from '../secrets.ts'
import type { Outcome } from '../store/deployments.ts'
import type { ProjectRow } from '../store/projects.ts'
import type { DeployRequest } from './attempt.ts'
import { DeploymentFailed } from './deployment-failed.ts'
import { supersedeOlder } from './supersede.ts'
import { switchedBackNote } from './switched-back.ts'
import { createWaiting, type Waiting } from './waiting.ts'

/** What is written down from the first moment on, while the deployment still waits for its turn too. */
export interface Books {
  readonly id: number
  readonly number: number
  readonly log: DeploymentLog
  readonly veil: Veil
  readonly attempt: AttemptUnderWay
  readonly waiting: Waiting
  /** Aborted by the client, by a cancellation, or because the server ends. */
  readonly signal: AbortSignal
}

/** Gives it a number, a row and a log. Throws `DeploymentFailed` where not even the log can be written. */
export async function openBooks(ctx: Context, request: DeployRequest): Promise<Books> {
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

/** The last lines of a deployment that is live, for who made it. */
export function writeSuccess(ctx: Context, { log }: Books, { project, release, began }: Work): void {
  const { maintenance } = (ctx.store.projects.find(project.id) ?? project).settings
  const ms = performance.now() - began
  for (const line of liveLines({ project, release, ms, addresses: ctx.addresses, maintenance }))
    log.write(line)
}

/** Ends the deployment with its cause, in the database and in the log; secrets are in neither. Returns the cause. */
export function writeFailure(ctx: Context, books: Books, error: unknown): Refusal {
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

/** The project as it is now. Refuses with `not_found`. */
export function findProject(ctx: Context, { projectId }: DeployRequest): ProjectRow {
  const project = ctx.store.projects.find(projectId)
  if (project) return project
  throw new Refusal('not_found', 'the project was deleted meanwhile')
}
