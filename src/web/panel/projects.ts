import { totalmem } from 'node:os'
import { type Context, Hono } from 'hono'
import type { ProjectView } from '../../engine/use-cases/project-view.ts'
import { paths } from '../paths.ts'
import { isFragmentRequest, type Marked, mark, pageText, refresh, themeOf } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { type DeploymentGist, projectStatus, type StatusView } from './status.ts'

/** The first page: every project one may see, those that need most memory first. */
export function projectsPages(services: Services): Hono<Env> {
  const { accounts, engine, kept } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)

  pages.get(paths.home, async (c, next) => {
    if (!accounts.hasUsers()) return c.redirect(paths.setup)
    return signedIn(c, next)
  })
  pages.get(paths.home, async (c) => {
    const sort = sortOf(c)
    if (isFragmentRequest(c)) return refresh(c, table(await rowsFor(services, c, sort), sort, true))
    const sees = engine.access.filter(c.get('actor'), 'project.read')
    if (!engine.projects.some(sees)) return c.redirect(paths.panel.new)
    return kept(c, {
      variant: `${themeOf(c)}`,
      type: 'text/html; charset=utf-8',
      make: async () => {
        const rows = await rowsFor(services, c, sort)
        const data = { title: 'Projects', nav: 'projects' as const, rows, ...sums(rows) }
        return pageText(c, 'projects/list', { ...data, table: table(rows, sort, false).html })
      },
    })
  })
  return pages
}

interface Row {
  readonly name: string
  readonly displayName: string
  readonly search: string
  readonly status: StatusView
  readonly deployedAt: string | null
  readonly memoryBytes: number
  readonly cpu: number | null
  /** A minute. */
  readonly requests: number | null
  readonly history: readonly (number | null)[]
}

async function rowsFor(services: Services, c: Context<Env>, sort: Sort): Promise<Row[]> {
  const { engine } = services
  const sees = engine.access.filter(c.get('actor'), 'project.read')
  const newest = engine.deployments.newestOfEach()
  const views = (await engine.projects.list()).filter(
    ({ project }) => project.preview === null && sees(project),
  )
  return views.map((view) => rowOf(services, view, newest.get(view.project.id) ?? null)).sort(orders[sort])
}

function rowOf({ engine }: Services, view: ProjectView, newest: DeploymentGist | null): Row {
  const { project, instances } = view
  const runs = instances.length > 0
  return {
    name: project.name,
    displayName: project.displayName,
    search: `${project.name} ${project.displayName}`.toLowerCase(),
    status: projectStatus(view, newest),
    deployedAt: newest?.startedAt ?? null,
    memoryBytes: sum(instances.map(({ memoryBytes }) => memoryBytes)),
    cpu: runs ? sum(instances.map(({ cpu }) => cpu)) : null,
    requests: engine.metrics.now(project).requestsPerMinute,
    history: engine.metrics.sparkline(project),
  }
}

type Sort = 'memory' | 'name' | 'cpu' | 'requests' | 'deploy'

const orders: Readonly<Record<Sort, (a: Row, b: Row) => number>> = {
  memory: (a, b) => b.memoryBytes - a.memoryBytes || byName(a, b),
  name: byName,
  cpu: (a, b) => (b.cpu ?? -1) - (a.cpu ?? -1) || byName(a, b),
  requests: (a, b) => (b.requests ?? -1) - (a.requests ?? -1) || byName(a, b),
  deploy: (a, b) => (b.deployedAt ?? '').localeCompare(a.deployedAt ?? '') || byName(a, b),
}

function byName(a: Row, b: Row): number {
  return a.name < b.name ? -1 : 1
}

function sortOf(c: Context<Env>): Sort {
  const asked = c.req.query('sort') ?? ''
  return Object.hasOwn(orders, asked) ? (asked as Sort) : 'memory'
}

const columns: readonly { readonly label: string; readonly key: Sort | null; readonly class: string }[] = [
  { label: 'Project', key: 'name', class: '' },
  { label: 'Status', key: null, class: '' },
  { label: 'Last deploy', key: 'deploy', class: 'sm-hide' },
  { label: 'Memory', key: 'memory', class: 'num' },
  { label: 'CPU', key: 'cpu', class: 'num sm-hide' },
  { label: 'Req/min', key: 'requests', class: 'num sm-hide' },
  { label: 'Memory, 1 h', key: null, class: 'sm-hide' },
]

/** `again`: for a page that shows it already. */
function table(rows: readonly Row[], sort: Sort, again: boolean): Marked {
  const direction = sort === 'name' ? 'ascending' : 'descending'
  const heads = columns.map((column) => ({ ...column, sorted: column.key === sort ? direction : null }))
  return mark('projects/table', { rows, columns: heads, sort, again, ...sums(rows) })
}

function sums(rows: readonly Row[]) {
  return {
    count: rows.length,
    memoryBytes: sum(rows.map(({ memoryBytes }) => memoryBytes)),
    totalBytes: totalmem(),
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
