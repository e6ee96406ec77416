import type { Context } from '../context.ts'
import type { TrafficReport } from '../ports.ts'
import { machineSubject } from '../store/metrics.ts'
import type { ProjectRow } from '../store/projects.ts'
import { History, type Range, ranges, type Series } from './history.ts'
import { createMachineReader, type MachineLook, type MachineNow } from './machine.ts'
import { createProcessMeter, type OwnProcess, type ProcessUse } from './own-processes.ts'
import { emptyMachinePoint, emptyProjectPoint, type MachinePoint, type ProjectPoint } from './point.ts'
import { createReleaseTraffic } from './release-traffic.ts'
import { createRestartCount, projectPoint } from './sample.ts'
import { type MachineSeries, meanOf, type ProjectSeries, showMachine, showProject } from './series.ts'
import { createTrafficChanges } from './traffic-changes.ts'

export type Metrics = ReturnType<typeof createMetrics>

/** What a project uses now, for lists. Null where nothing was measured. */
export interface UseNow {
  /** Percent of one core, over the last half minute. */
  readonly cpu: number | null
  readonly memoryBytes: number | null
  readonly requestsPerMinute: number | null
}

/** A release went live. */
export interface DeployMark {
  readonly time: string
  readonly release: number
  /** Of its deployment. */
  readonly number: number
}

type Deps = Pick<Context, 'store' | 'watch' | 'router' | 'clock' | 'report' | 'paths' | 'ownProcesses'>

const everyMs = 5_000
const saveEveryMs = 60_000

/** Looks at everything every few seconds and remembers it. Nothing is measured until `start`. */
export function createMetrics(ctx: Deps) {
  const { store, clock } = ctx
  const projects = new Map<number, History<keyof ProjectPoint['sums']>>()
  const readMachine = createMachineReader(ctx.paths.home, clock)
  const trafficChanges = createTrafficChanges()
  const releases = createReleaseTraffic(ctx)
  const countRestarts = createRestartCount()
  const meter = createProcessMeter()
  let machine: History<keyof MachinePoint['sums']> | null = null
  let look: MachineLook | null = null
  let heard: TrafficReport | null = null
  let own: readonly OwnProcess[] = []
  let ownAt = 0
  let savedAt = clock()
  let timer: NodeJS.Timeout | undefined
  let running = false
  let sampling: Promise<void> = Promise.resolve()

  const historyOf = (id: number) => {
    const known = projects.get(id) ?? new History(store, id, emptyProjectPoint, clock())
    projects.set(id, known)
    return known
  }
  const machineHistory = () => {
    machine ??= new History(store, machineSubject, emptyMachinePoint, clock())
    return machine
  }
  /** Asked of the process manager, so not by every reader. */
  const ownProcesses = async (): Promise<readonly OwnProcess[]> => {
    if (own.length > 0 && Math.abs(clock() - ownAt) < everyMs) return own
    own = await ctx.ownProcesses().catch(() => [])
    ownAt = clock()
    return own
  }

  const sample = async (): Promise<void> => {
    const [sight, report, seen] = await Promise.all([
      ctx.watch.look(0),
      ctx.router.traffic().catch(() => null),
      readMachine(),
      own.length === 0 ? ownProcesses() : null,
    ])
    const now = clock()
    const traffic = report && trafficChanges(report)
    heard = report
    if (report) releases.note(report)
    const restarts = sight.instances ? countRestarts(sight.instances) : new Map<string, number>()
    const named = store.projects.names()
    for (const { id, name } of named) {
      historyOf(id).add(now, projectPoint(name, sight, traffic, restarts.get(name) ?? 0))
    }
    for (const id of projects.keys()) if (!named.some((project) => project.id === id)) projects.delete(id)
    look = seen
    machineHistory().add(now, seen.point)
    meter.tick(own.flatMap(({ pid }) => pid ?? []))
    // of either sign: clocks are set back
    if (Math.abs(now - savedAt) < saveEveryMs) return
    save(now)
    await ownProcesses()
  }
  /** All subjects in one transaction: one wait for the disk a minute. */
  const save = (now: number) => {
    savedAt = now
    store.transaction(() => {
      const there = new Set(store.projects.names().map(({ id }) => id))
      for (const [id, history] of projects) if (there.has(id)) history.save(now)
      machine?.save(now)
      if (heard) releases.save(heard)
    })
  }
  const sampleSafely = () => sample().catch((error: unknown) => ctx.report.error('measuring failed', error))
  const loop = async () => {
    sampling = sampleSafely()
    await sampling
    if (running) timer = setTimeout(loop, everyMs).unref()
  }

  return {
    /** The first look at once, then every 5 s. */
    start(): void {
      if (running) return
      running = true
      void loop()
    },
    /** Stops and writes down what is not written yet. Never throws: what ends after it must. */
    async stop(): Promise<void> {
      if (!running) return
      running = false
      clearTimeout(timer)
      await sampling
      try {
        save(clock())
      } catch (error) {
        ctx.report.error('what was measured last could not be written down', error)
      }
    },
    /** One look, for tests with a clock of their own. */
    sample,
    /** Writes down what was measured. */
    save: () => save(clock()),
    project: (project: Pick<ProjectRow, 'id'>, range: Range): ProjectSeries =>
      showProject(range, historyOf(project.id).series(range, clock())),
    machineSeries: (range: Range): MachineSeries =>
      showMachine(range, machineHistory().series(range, clock())),
    /** When releases went live in that time, oldest first. */
    deploys: (project: Pick<ProjectRow, 'id'>, range: Range): DeployMark[] =>
      store.releases.since(project.id, new Date(clock() - ranges[range].ms).toISOString()),
    /** By release. */
    releases,
    liveSince: (project: Pick<ProjectRow, 'id'>) => store.releases.liveSince(project.id),
    readMachine: async (): Promise<MachineNow> => (await readMachine()).now,
    /** Null before the first look. */
    machineNow: (): MachineNow | null => look?.now ?? null,
    /** Of the last seconds. */
    now: (project: Pick<ProjectRow, 'id'>): UseNow => useNow(historyOf(project.id).since(clock() - 60_000)),
    /** Memory of the last hour, a value a minute, bytes; null where nothing ran. For a small picture. */
    sparkline: (project: Pick<ProjectRow, 'id'>): (number | null)[] =>
      perMinute(historyOf(project.id).series('1h', clock())),
    /** Null: there is no such process. */
    processUse: (pid: number): ProcessUse | null => meter.read(pid),
    ownProcesses,
  }
}

function useNow(points: readonly ProjectPoint[]): UseNow {
  const newest = points.slice(-3)
  const sum = (name: keyof ProjectPoint['sums'], of: readonly ProjectPoint[] = newest) =>
    of.reduce((total, { sums }) => total + sums[name], 0)
  const { memory, looks } = points.at(-1)?.sums ?? emptyProjectPoint.sums
  return {
    cpu: looks === 0 ? null : meanOf(sum('cpu'), sum('looks'), 1),
    memoryBytes: meanOf(memory, looks),
    requestsPerMinute: sum('heard', points) === 0 ? null : sum('requests', points),
  }
}

function perMinute({ points, stepMs }: Series<keyof ProjectPoint['sums']>): (number | null)[] {
  const size = 60_000 / stepMs
  return Array.from({ length: points.length / size }, (_, n) => {
    const minute = points.slice(n * size, (n + 1) * size)
    const sum = (name: 'memory' | 'looks') =>
      minute.reduce((total, point) => total + (point?.sums[name] ?? 0), 0)
    return meanOf(sum('memory'), sum('looks'))
  })
}
