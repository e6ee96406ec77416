import type { Deployment } from '../../engine/domain/deployment.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import type { Services } from '../services.ts'
import { deploymentStatus, isUnfinished, type StatusView } from './status.ts'

/** A deployment in a list. */
export interface DeployRow {
  readonly number: number
  readonly href: string
  readonly project: { readonly name: string; readonly displayName: string }
  readonly status: StatusView
  readonly release: number | null
  readonly source: Deployment['source']
  readonly by: string
  readonly startedAt: string
  readonly unfinished: boolean
  readonly tookMs: number | null
  /** The page that asks whether to roll back to it; null where that is not possible. */
  readonly rollback: string | null
}

/** `mayDeploy`: of the actor in this project. */
export function deployRows(
  services: Services,
  project: ProjectRow,
  deployments: readonly Deployment[],
  mayDeploy: boolean,
): DeployRow[] {
  const kept = keptReleases(services, project)
  return deployments.map((deployment) => deployRow(project, deployment, kept, mayDeploy))
}

/** Numbers of the releases whose files are still there. */
export function keptReleases({ engine }: Services, project: ProjectRow): ReadonlySet<number> {
  return new Set(engine.releases.kept(project).map(({ number }) => number))
}

export function deployRow(
  project: Pick<ProjectRow, 'name' | 'displayName' | 'currentRelease'>,
  deployment: Deployment,
  kept: ReadonlySet<number>,
  mayDeploy: boolean,
): DeployRow {
  const { number, release, source, by, startedAt, status } = deployment
  const href = `/projects/${project.name}/deploys/${number}`
  const isKept = release !== null && kept.has(release)
  return {
    number,
    href,
    project: { name: project.name, displayName: project.displayName },
    status: deploymentStatus(deployment, href, isKept),
    release,
    source,
    by,
    startedAt,
    unfinished: isUnfinished(status),
    tookMs: tookMs(deployment),
    rollback:
      isKept && mayDeploy && release !== project.currentRelease
        ? `/projects/${project.name}/rollback/${release}`
        : null,
  }
}

/** From the beginning to the end, ms; null while it runs. */
export function tookMs({ startedAt, finishedAt }: Deployment): number | null {
  return finishedAt === null ? null : Math.max(Date.parse(finishedAt) - Date.parse(startedAt), 0)
}
