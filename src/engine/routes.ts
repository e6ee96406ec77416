import { createHash } from 'node:crypto'
import path from 'node:path'
import { isWithin } from './domain/host-name.ts'
import type { StaticFiles } from './domain/release-plan.ts'
import type { Paths } from './paths.ts'
import { maintenancePageOf } from './pipeline/maintenance-page.ts'
import { routeFilesOf } from './pipeline/static-files.ts'
import type { Route, RouteMaintenance, Router } from './ports.ts'
import type { DomainRow } from './store/domains.ts'
import type { InstanceRow } from './store/instances.ts'
import type { ProjectRow } from './store/projects.ts'
import type { HowItRuns } from './store/releases.ts'
import type { Store } from './store/store.ts'

export type Routes = ReturnType<typeof createRoutes>

/** Makes the table of the front door equal to the database; the database is the truth. */
export function createRoutes(deps: {
  readonly store: Store
  readonly router: Router
  readonly paths: Paths
  readonly baseDomain: string
}) {
  const { store, router, paths, baseDomain } = deps
  let last: Promise<void> = Promise.resolve()

  const routeOf = (project: ProjectRow, domains: readonly DomainRow[], how: HowItRuns | undefined): Route => {
    const primary = domains.find((row) => row.primary)?.domain
    const { sticky, accessLog } = project.settings
    return {
      hosts: [`${project.name}.${baseDomain}`, ...domains.map(({ domain }) => domain)],
      ...(primary === undefined ? {} : { primary }),
      project: project.name,
      release: project.currentRelease,
      state: stateOf(project),
      endpoints: store.instances
        .ofProject(project.id, 'serving')
        .flatMap((row) =>
          project.asleepAt === null && row.type === 'web' && row.port !== null && !row.problem
            ? [{ host: '127.0.0.1', port: row.port, ...(sticky ? { tag: tagOf(row) } : {}) }]
            : [],
        ),
      ...(sticky ? { sticky } : {}),
      ...(accessLog ? { accessLog: path.join(paths.projectLogs(project.name), 'access.1.log') } : {}),
      ...(how?.plan.static ? { static: staticOf(project, how, how.plan.static) } : {}),
      ...(project.settings.maintenance ? { maintenance: maintenanceOf(project, how) } : {}),
    }
  }

  const maintenanceOf = (project: ProjectRow, how: HowItRuns | undefined): RouteMaintenance => ({
    page: maintenancePageOf(paths, project, how).html,
    allow: project.settings.maintenanceAllow,
  })

  const staticOf = (project: ProjectRow, { slug, plan }: HowItRuns, site: StaticFiles) =>
    routeFilesOf(paths.release(project.name, slug), plan, site)

  return {
    /** Resolves when the whole table of this moment is in force. One at a time, so the newest wins. */
    apply(): Promise<void> {
      const send = () => {
        const domains = store.domains.byProject()
        const current = store.releases.currentOnes()
        const routes = store.projects
          .list()
          .map((project) =>
            routeOf(project, usable(domains.get(project.id), baseDomain), current.get(project.id)),
          )
        return router.apply({
          version: store.settings.next('routes'),
          baseDomain,
          routes: withFittingPages(routes),
        })
      }
      last = last.then(send, send)
      return last
    },
  }
}

/** Bytes of all maintenance pages together: the table goes out with every switch, and may not become too large. */
const mostPages = 2_000_000

/** Some owners may not take the place of the others: a page that does not fit any more is the front door's. */
function withFittingPages(routes: readonly Route[]): Route[] {
  let left = mostPages
  return routes.map((route) => {
    const { page = null, allow = [] } = route.maintenance ?? {}
    if (page === null) return route
    // as it goes over the wire, where a sign may take six bytes
    const size = Buffer.byteLength(JSON.stringify(page))
    if (size > left) return { ...route, maintenance: { page: null, allow } }
    left -= size
    return route
  })
}

function stateOf({ status, asleepAt }: ProjectRow): Route['state'] {
  if (status === 'stopped') return 'stopped'
  return asleepAt === null ? 'running' : 'sleeping'
}

/**
 * The name of an instance in a client's cookie says nothing about this machine, and stays with its number: after
 * a deployment a client of web.2 comes to the new web.2.
 */
function tagOf({ projectId, position }: InstanceRow): string {
  return createHash('sha256').update(`sticky ${projectId} web.${position}`).digest('base64url').slice(0, 16)
}

/**
 * What was added under another base domain may lie within the one of now: there the panel and the projects'
 * own names come first, and a host that two routes claim would keep the whole table out.
 */
function usable(domains: readonly DomainRow[] | undefined, baseDomain: string): DomainRow[] {
  return (domains ?? []).filter(({ domain }) => !isWithin(domain, baseDomain))
}
