import type { Addresses } from '../engine/context.ts'
import type { Actor } from '../engine/domain/access.ts'
import type { Deployment } from '../engine/domain/deployment.ts'
import type { Release } from '../engine/domain/release.ts'
import type { TokenRow, UserRow } from '../engine/store/accounts.ts'
import type { AuditRow } from '../engine/store/audit.ts'
import type { MemberRow } from '../engine/store/members.ts'
import type { SessionRow } from '../engine/store/sessions.ts'
import type { Preview } from '../engine/use-cases/previews.ts'
import type { ProjectView } from '../engine/use-cases/project-view.ts'

/** The public shapes of contract and OpenAPI, made from what the engine says. */

export function presentProject(
  { project, deploying, domains, processes, static: isStatic, instances }: ProjectView,
  addresses: Addresses,
) {
  return {
    id: project.id,
    name: project.name,
    displayName: project.displayName,
    url: addresses.app(project.name),
    gitUrl: addresses.git(project.repository),
    previewOf: project.preview ? project.repository : null,
    previewBranch: project.preview?.branch ?? null,
    status: project.status,
    sleeping: project.asleepAt !== null,
    sleepingSince: project.asleepAt,
    wakeProblem: project.wakeProblem,
    deploying,
    startCommand: project.startCommand,
    port: instances.find((instance) => instance.type === 'web')?.port ?? project.port,
    deployBranch: project.deployBranch ?? 'main',
    healthPath: project.healthPath,
    bootTimeoutMs: project.bootTimeoutMs,
    keepReleases: project.keepReleases,
    privateModules: project.privateModules,
    memoryLimitMb: project.memoryLimitMb,
    overlapWorkers: project.overlapWorkers,
    ...project.settings,
    release: project.currentRelease,
    processes,
    static: isStatic,
    instances,
    domains,
    createdAt: project.createdAt,
    updatedAt: project.updatedAt,
  }
}

export function presentDeployment(deployment: Deployment) {
  const { number, status, source, release, startedAt, finishedAt, steps, error, by, comparison } = deployment
  return { number, status, source, release, startedAt, finishedAt, steps, error, by, comparison }
}

export function presentRelease(release: Release, current: number | null) {
  const { number, deployment, source, createdAt, prunedAt } = release
  return { number, deployment, source, current: number === current, available: prunedAt === null, createdAt }
}

export function presentUser({ id, username, role, createdAt }: UserRow) {
  return { id, username, role, createdAt: asTime(createdAt) }
}

export function presentMember({ username, role, createdAt }: MemberRow) {
  return { username, role, createdAt: asTime(createdAt) }
}

export function presentSession(session: SessionRow, actor: Actor) {
  const { number, kind, name, userAgent, address, createdAt, lastSeenAt, expiresAt } = session
  const current = session.id === actor.sessionId
  return { id: number, kind, name, agent: userAgent, address, current, createdAt, lastSeenAt, expiresAt }
}

export function presentAudit({ id, at, user, via, address, action, project, before, after }: AuditRow) {
  return { id, time: at, who: user, via, address, action, project, before, after }
}

/** SQLite's own CURRENT_TIMESTAMP, of rows that were made by hand, has neither T nor Z. */
function asTime(text: string): string {
  return new Date(/[TZ]/.test(text) ? text : `${text}Z`).toISOString()
}

export function presentToken(token: TokenRow) {
  const { id, name, scope, projectId, username, createdAt, expiresAt, lastUsedAt } = token
  return { id, name, scope, project: projectId, user: username, createdAt, expiresAt, lastUsedAt }
}

export function presentPreview({ project, branch, usedAt, expiresAt }: Preview, addresses: Addresses) {
  const { name, status, currentRelease: release } = project
  return { name, branch, url: addresses.app(name), status, release, usedAt, expiresAt }
}
