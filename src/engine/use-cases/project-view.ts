import type { Context } from '../context.ts'
import { wantedOf } from '../domain/process.ts'
import { type ExitReason, exitSentence, reasonOf } from '../last-exits.ts'
import type { Sight } from '../metrics/watched-runtime.ts'
import { clusterPort } from '../pipeline/cluster.ts'
import type { InstanceRow } from '../store/instances.ts'
import type { ProjectRow } from '../store/projects.ts'

/** One crash is no trouble: it runs again in a tenth of a second. */
const manyRestarts = 2
/** It has made it: PM2 too forgets the crashes after such a life. */
const stableMs = 30_000

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
  /** Why it does not run well: it ends again and again, or was ended for good. Null: it does. */
  readonly problem: string | null
  /** With a problem: the last lines it wrote before it ended. */
  readonly lastLines: readonly string[]
  /** How it ended the last time since the server started; null: it did not. */
  readonly lastExit: ExitView | null
}

export interface ExitView {
  readonly reason: ExitReason
  /** `it exited with code 1` */
  readonly message: string
  /** ISO 8601, UTC. */
  readonly time: string
}

export interface ProjectView {
  readonly project: ProjectRow
  readonly deploying: boolean
  /** Its own hosts, beside `<name>.<base domain>`. */
  readonly domains: readonly string[]
  /** How many of each process type are wanted. */
  readonly processes: Readonly<Record<string, number>>
  /** Its live release is files, which the front door serves without a process. */
  readonly static: boolean
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
  const current = ctx.store.releases.currentOnes()
  const view = async (project: ProjectRow): Promise<ProjectView> => {
    const rows = serving.get(project.id) ?? []
    const instances = await viewInstances(ctx, rows, project.name, sight)
    return {
      project: withTroubles(project, instances),
      deploying: busy.has(project.id),
      domains: (domains.get(project.id) ?? []).map(({ domain }) => domain),
      processes: wantedOf(project.processes, current.get(project.id)?.types ?? ['web']),
      static: Boolean(current.get(project.id)?.plan.static),
      instances,
    }
  }
  return Promise.all(ctx.store.projects.list().map(view))
}

export async function viewOne(ctx: Context, project: ProjectRow): Promise<ProjectView> {
  const sight = await ctx.watch.look()
  const rows = ctx.store.instances.ofProject(project.id, 'serving')
  const instances = await viewInstances(ctx, rows, project.name, sight)
  const how = ctx.store.releases.how(project.id, project.currentRelease)
  return {
    project: withTroubles(project, instances),
    deploying: ctx.store.deployments.isBusy(project.id),
    domains: ctx.store.domains.ofProject(project.id).map(({ domain }) => domain),
    processes: wantedOf(project.processes, how.types),
    static: how.plan.static !== null,
    instances,
  }
}

/** Workers are proved by nobody: one that ends again and again must be seen. */
function withTroubles(project: ProjectRow, instances: readonly InstanceView[]): ProjectRow {
  const troubles = project.wakeProblem !== null || instances.some(({ problem }) => problem !== null)
  const troubled = project.status === 'running' && troubles
  // as it is otherwise: a copy would open the config vars
  return troubled ? (Object.create(project, { status: { value: 'error' } }) as ProjectRow) : project
}

function viewInstances(
  ctx: Context,
  rows: readonly InstanceRow[],
  project: string,
  sight: Sight,
): Promise<InstanceView[]> {
  const portOf = (row: InstanceRow) => (row.cluster ? clusterPort(rows, row) : row.port)
  return Promise.all(rows.map((row) => instanceView(ctx, { ...row, port: portOf(row) }, project, sight)))
}

async function instanceView(
  ctx: Context,
  row: InstanceRow,
  project: string,
  sight: Sight,
): Promise<InstanceView> {
  const { type, position, generation, port, release } = row
  const instance = sight.find({ project, type, generation, index: position })
  const uptimeMs = instance?.startedAt ? Math.max(ctx.clock() - instance.startedAt, 0) : 0
  const { restarts = 0, status = 'stopped' } = instance ?? {}
  const view = {
    name: `${type}.${position}`,
    type,
    pid: instance?.pid ?? null,
    port,
    status: row.problem ? 'errored' : status,
    cpu: instance?.cpu ?? 0,
    memoryBytes: instance?.memoryBytes ?? 0,
    restarts,
    uptimeMs,
    release,
  }
  return { ...view, ...(await troublesOf(ctx, row, project, view)) }
}

/** Crashes in a row, each after a short life, that are not yet outlived. */
async function troublesOf(
  ctx: Context,
  { type, position, generation, problem }: InstanceRow,
  project: string,
  now: { readonly status: string; readonly uptimeMs: number; readonly restarts: number },
): Promise<Pick<InstanceView, 'problem' | 'lastLines' | 'lastExit'>> {
  const ref = { project, type, generation, index: position }
  const exit = ctx.lastExits.of(ref)
  const settled = now.status === 'online' && now.uptimeMs >= stableMs
  // a server that was just started has seen none of the ends
  const failing = !settled && (exit ? exit.streak : now.restarts) >= manyRestarts
  const lines = exit && (failing || exit.signal === 'SIGABRT') ? await ctx.lastExits.lines(ref) : []
  const message = exit && `it ${exitSentence(exit, lines)}`
  const times = `was started again ${now.restarts} times`
  const repeated = failing ? `${message === null ? 'it' : `${message} and`} ${times}` : null
  return {
    problem: problem ?? repeated,
    lastLines: failing || problem ? lines : [],
    lastExit: exit && {
      reason: reasonOf(exit, lines),
      message: message ?? '',
      time: new Date(exit.at).toISOString(),
    },
  }
}
