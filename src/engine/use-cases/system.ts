import os from 'node:os'
import type { Context } from '../context.ts'
import type { Range } from '../metrics/history.ts'
import type { MachineNow } from '../metrics/machine.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { OwnProcess } from '../metrics/own-processes.ts'
import type { MachineSeries } from '../metrics/series.ts'
import { createSystemFacts, type SystemFacts } from '../metrics/system-facts.ts'
import type { InstanceStats, TrafficReport } from '../ports.ts'

export type SystemCases = ReturnType<typeof createSystemCases>

export interface SystemInfo extends SystemFacts {
  readonly load: readonly number[]
  readonly memory: MachineNow['memory']
  readonly disk: MachineNow['disk']
  readonly node: string
  /** What this machine lets us do to keep builds and apps from harming others. */
  readonly isolation: {
    readonly processNamespace: boolean
    readonly lowPriority: boolean
    readonly readOnlyModules: boolean
  }
  /** Of the machine, ms. */
  readonly uptimeMs: number
  readonly server: { readonly startedAt: string; readonly uptimeMs: number }
  readonly home: string
}

/** A process that NodePilot runs: an instance of a project, or a part of itself. */
export interface SystemProcess {
  readonly kind: 'instance' | 'server' | 'router' | 'pm2'
  /** `shop web.1`, `server` */
  readonly name: string
  readonly project: string | null
  readonly type: string | null
  /** `web.1` */
  readonly instance: string | null
  readonly release: number | null
  readonly pid: number | null
  readonly status: string
  readonly cpu: number
  readonly memoryBytes: number
  readonly restarts: number
  readonly uptimeMs: number
}

/** The machine and what NodePilot runs on it. */
export function createSystemCases(ctx: Context, metrics: Metrics) {
  const facts = createSystemFacts()
  const { isolation, confinement } = ctx.dependencies.tools
  const startedAt = ctx.clock()
  const machineNow = async () => metrics.machineNow() ?? (await metrics.readMachine())
  return {
    async info(): Promise<SystemInfo> {
      const [known, { load, memory, disk }] = await Promise.all([facts(), machineNow()])
      return {
        ...known,
        load,
        memory,
        disk,
        node: process.version,
        isolation: {
          processNamespace: isolation.ownProcesses,
          lowPriority: isolation.lowPriority,
          readOnlyModules: confinement.kind === 'permissions',
        },
        uptimeMs: Math.round(os.uptime() * 1000),
        server: { startedAt: new Date(startedAt).toISOString(), uptimeMs: ctx.clock() - startedAt },
        home: ctx.paths.home,
      }
    },

    /** The machine now, and over time. */
    async metrics(range: Range): Promise<MachineNow & MachineSeries> {
      return { ...(await machineNow()), ...metrics.machineSeries(range) }
    },

    machine: machineNow,

    /** By use of memory, the largest first. */
    async processes(): Promise<SystemProcess[]> {
      const [sight, own] = await Promise.all([ctx.watch.look(), metrics.ownProcesses()])
      const instances = (sight.instances ?? []).map((instance) => ofInstance(instance, ctx.clock()))
      const parts = own.map((part) => ofPart(part, metrics))
      return [...instances, ...parts].sort((a, b) => b.memoryBytes - a.memoryBytes)
    },

    /** What the front door has counted since it started; null: it does not answer. */
    traffic: (): Promise<TrafficReport | null> => ctx.router.traffic().catch(() => null),
  }
}

function ofInstance(instance: InstanceStats, now: number): SystemProcess {
  const { project, type, name, release, pid, status, cpu, memoryBytes, restarts, startedAt } = instance
  return {
    kind: 'instance',
    name: `${project} ${name}`,
    project,
    type,
    instance: name,
    release,
    pid,
    status,
    cpu,
    memoryBytes,
    restarts,
    uptimeMs: startedAt === null ? 0 : Math.max(now - startedAt, 0),
  }
}

function ofPart({ name, pid, restarts }: OwnProcess, metrics: Metrics): SystemProcess {
  const use = pid === null ? null : metrics.processUse(pid)
  return {
    kind: name,
    name,
    project: null,
    type: null,
    instance: null,
    release: null,
    pid: use ? pid : null,
    status: use ? 'online' : 'stopped',
    cpu: use?.cpu ?? 0,
    memoryBytes: use?.memoryBytes ?? 0,
    restarts,
    uptimeMs: use?.uptimeMs ?? 0,
  }
}
