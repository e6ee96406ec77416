import type { Route, Router } from './ports.ts'
import type { ProjectRow } from './store/projects.ts'
import type { Store } from './store/store.ts'

export type Routes = ReturnType<typeof createRoutes>

/** Makes the table of the front door equal to the database; the database is the truth. */
export function createRoutes(deps: {
  readonly store: Store
  readonly router: Router
  readonly baseDomain: string
}) {
  const { store, router, baseDomain } = deps
  let last: Promise<void> = Promise.resolve()

  const routeOf = (project: ProjectRow): Route => ({
    hosts: [`${project.name}.${baseDomain}`],
    project: project.name,
    release: project.currentRelease,
    state: project.status === 'stopped' ? 'stopped' : 'running',
    endpoints: store.instances
      .ofProject(project.id, 'serving')
      .flatMap((row) =>
        row.type === 'web' && row.port !== null ? [{ host: '127.0.0.1', port: row.port }] : [],
      ),
  })

  return {
    /** Resolves when the whole table of this moment is in force. One at a time, so the newest wins. */
    apply(): Promise<void> {
      const send = () =>
        router.apply({
          version: store.settings.next('routes'),
          baseDomain,
          routes: store.projects.list().map(routeOf),
        })
      last = last.then(send, send)
      return last
    },
  }
}
