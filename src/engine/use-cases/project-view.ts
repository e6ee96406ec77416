import type { Context } from '../context.ts'
import { wantedOf } from '../domain/process.ts'
import type { LastExit } from '../last-exits.ts'
import type { Sight } from '../metrics/watched-runtime.ts'
import { describeExit } from '../shell.ts'
import type { InstanceRow } from '../store/instances.ts'
import type { ProjectRow } from '../store/projects.ts'

/** One crash is no trouble: it runs again in a tenth of a second. */
const manyRestarts = 2
const shortLifeMs = 10_000

/** What runs now, for people and programs. */
export interface InstanceView {
  readonly name: string
  readonly type: string
  readonly pid: number | null
  readonly port: number | null
  readonly status: string
  readonly cpu: number
  readonly memoryBytes: number
  readonly restarts: number
  readonly uptimeMs: number
  readonly release: number
  /** Why it does not run well: it ends again and again. Null: it does. */
  readonly problem: string | null
}

export interface ProjectView {
  readonly project: ProjectRow
  readonly deploying: boolean
  /** Its own hosts, beside `<name>.<base domain>`. */
  readonly domains: readonly string[]
  /** How many of each process type are wanted. */
  readonly processes: Readonly<Record<string, number>>
  readonly instances: readonly InstanceView[]
}

/** All projects with what runs, by name. A handful of queries, however many there are. */
export async function viewAll(ctx: Context): Promise<ProjectView[]> {
  const sight = await ctx.watch.look()
  const serving = new Map<number, InstanceRow[]>()
  for (const row of ctx.store.instances.list()) {
    if (row.state !== 'serving') continue
    const rows = serving.get(row.projectId)
    if (rows) rows.push(row)
    else serving.set(row.projectId, [row])
  }
  const busy = ctx.store.deployments.busyProjects()
  const domains = ctx.store.domains.byProject()
  const types = ctx.store.releases.currentTypes()
  return ctx.store.projects.list().map((project) => {
    const rows = serving.get(project.id) ?? []
    const instances = rows.map((row) => instanceView(ctx, row, project.name, sight))
    return {
      project: withTroubles(project, instances),
      deploying: busy.has(project.id),
      domains: (domains.get(project.id) ?? []).map(({ domain }) => domain),
      processes: wantedOf(project.processes, types.get(project.id) ?? ['web']),
      instances,
    }
  })
}

export async function viewOne(ctx: Context, project: ProjectRow): Promise<ProjectView> {
  const sight = await ctx.watch.look()
  const rows = ctx.store.instances.ofProject(project.id, 'serving')
  const instances = rows.map((row) => instanceView(ctx, row, project.name, sight))
  return {
    project: withTroubles(project, instances),
    deploying: ctx.store.deployments.isBusy(project.id),
    domains: ctx.store.domains.ofProject(project.id).map(({ domain }) => domain),
    processes: wantedOf(project.processes, ctx.store.releases.types(project.id, project.currentRelease)),
    instances,
  }
}

/** Workers are proved by nobody: one that ends again and again must be seen. */
function withTroubles(project: ProjectRow, instances: readonly InstanceView[]): ProjectRow {
  const troubled = project.status === 'running' && instances.some(({ problem }) => problem !== null)
  return troubled ? { ...project, status: 'error' } : project
}

function instanceView(ctx: Context, row: InstanceRow, project: string, sight: Sight): InstanceView {
  const { type, position, generation, port, release } = row
  const ref = { project, type, generation, index: position }
  const instance = sight.find(ref)
  const uptimeMs = instance?.startedAt ? Math.max(ctx.clock() - instance.startedAt, 0) : 0
  const { restarts = 0, status = 'stopped' } = instance ?? {}
  const failing = restarts >= manyRestarts && (status !== 'online' || uptimeMs < shortLifeMs)
  return {
    name: `${type}.${position}`,
    type,
    pid: instance?.pid ?? null,
    port,
    status,
    cpu: instance?.cpu ?? 0,
    memoryBytes: instance?.memoryBytes ?? 0,
    restarts,
    uptimeMs,
    release,
    problem: failing ? problemOf(ctx.lastExits.of(ref), restarts) : null,
  }
}

function problemOf(exit: LastExit | null, restarts: number): string {
  const times = `was started again ${restarts} times`
  return exit ? `it ${describeExit(exit)} and ${times}` : `it ${times}`
}
