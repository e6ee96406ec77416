import { Refusal } from '../domain/refusal.ts'
import type {
  GroupRef,
  GroupSpec,
  Instance,
  InstanceExit,
  InstanceSpec,
  InstanceStats,
  Runtime,
} from '../ports.ts'

/** The Runtime port without processes: passes the same suite as the real one, and does what tests tell it. */

export interface MemoryInstance {
  /** Of the process that takes the traffic; made up where none is given. */
  readonly pid?: number
  /** Asked to end. Must resolve; `graceMs` later it counts as killed. */
  stop?(): Promise<void>
}

export interface MemoryRuntimeOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Called for each instance that is started or started again: the place to open a port, or to refuse. */
  readonly launch?: (group: GroupSpec, spec: InstanceSpec) => Promise<MemoryInstance>
}

export interface MemoryRuntime extends Runtime {
  /** Ends the process of an instance; the runtime starts it again. */
  crash(ref: GroupRef, index: number, how: { code: number } | { signal: string }): Promise<void>
  /** The daemon is gone: its instances are left without a master, and every call refuses until `connect`. */
  lose(): void
  /** What `start` was asked for, by group and index. */
  specOf(ref: GroupRef, index: number): InstanceSpec | undefined
}

interface Running {
  readonly group: GroupSpec
  readonly spec: InstanceSpec
  process: MemoryInstance
  pid: number
  restarts: number
  startedAt: number
}

const firstPid = 5_000_000 // above the largest pid of Linux, so that no signal meets a real process

export function createMemoryRuntime(options: MemoryRuntimeOptions): MemoryRuntime {
  const exits = new Set<(exit: InstanceExit) => void>()
  const losses = new Set<() => void>()
  let known = new Map<string, Running>()
  let orphans: Running[] = []
  let connected = false
  let nextPid = firstPid

  const check = () => {
    if (!connected) throw new Refusal('unavailable', 'the process manager is not connected')
  }
  const of = (ref: GroupRef) => [...known].filter(([, running]) => sameGroup(running.group, ref))
  const launch = async (group: GroupSpec, spec: InstanceSpec, restarts: number): Promise<Running> => {
    const process = (await options.launch?.(group, spec)) ?? {}
    return { group, spec, process, restarts, pid: process.pid ?? nextPid++, startedAt: options.now() }
  }
  const start = async (group: GroupSpec, spec: InstanceSpec) => {
    const key = keyOf(group, spec.index)
    if (!known.has(key)) known.set(key, await launch(group, spec, 0))
  }
  const end = async (running: Running, graceMs: number) => {
    await Promise.race([running.process.stop?.(), afterGrace(graceMs)])
    known.delete(keyOf(running.group, running.spec.index))
    tell(running, { code: null, signal: 'SIGTERM' })
  }
  const tell = ({ group, spec }: Running, how: Pick<InstanceExit, 'code' | 'signal'>) => {
    for (const listener of exits) listener({ ...refOf(group), index: spec.index, ...how })
  }

  const inTurn = new Map<string, Promise<unknown>>()
  const serially = <T>(project: string, task: () => Promise<T>): Promise<T> => {
    const mine = (inTurn.get(project) ?? Promise.resolve()).then(task, task)
    inTurn.set(
      project,
      mine.catch(() => {}),
    )
    return mine
  }

  return {
    connect: async () => {
      connected = true
    },
    close: async () => {
      connected = false
    },
    start: (group) =>
      serially(group.project, async () => {
        check()
        const before = new Set(known.keys())
        try {
          for (const spec of group.instances) await start(group, spec)
        } catch (error) {
          for (const [key, running] of of(group)) if (!before.has(key)) await end(running, 0)
          throw error
        }
        const wanted = new Set(group.instances.map((spec) => spec.index))
        return of(group)
          .map(([, running]) => instanceOf(running))
          .filter((instance) => wanted.has(instance.index))
      }),
    stop: (group, graceMs, only) =>
      serially(group.project, async () => {
        check()
        const meant = of(group).filter(([, { spec }]) => only?.includes(spec.index) ?? true)
        await Promise.all(meant.map(([, running]) => end(running, graceMs)))
      }),
    list: async (project) => {
      check()
      const found = [...known.values()].map(instanceOf)
      return project === undefined ? found : found.filter((instance) => instance.project === project)
    },
    stats: async (): Promise<readonly InstanceStats[]> => {
      check()
      return [...known.values()].map((running) => ({
        ...instanceOf(running),
        cpu: 0,
        memoryBytes: 50_000_000,
      }))
    },
    onExit: (listener) => subscribe(exits, listener),
    onLost: (listener) => subscribe(losses, listener),
    endOrphans: async () => {
      check()
      const ending = orphans
      orphans = []
      await Promise.all(ending.map((orphan) => orphan.process.stop?.()))
      return ending.length
    },
    shutdown: async () => {
      const ending = [...known.values(), ...orphans]
      orphans = []
      known = new Map()
      connected = false
      await Promise.all(ending.map((running) => running.process.stop?.()))
    },
    crash: async (ref, index, how) => {
      const running = known.get(keyOf(ref, index))
      if (!running) throw new Error(`${keyOf(ref, index)} does not run`)
      await running.process.stop?.()
      tell(running, 'code' in how ? { code: how.code, signal: null } : { code: null, signal: how.signal })
      Object.assign(running, await launch(running.group, running.spec, running.restarts + 1))
    },
    lose: () => {
      orphans.push(...known.values())
      known = new Map()
      connected = false
      for (const listener of losses) listener()
    },
    specOf: (ref, index) => known.get(keyOf(ref, index))?.spec,
  }
}

function instanceOf({ group, spec, pid, restarts, startedAt }: Running): Instance {
  const name = `${group.type}.${spec.index}`
  const instance = {
    ...refOf(group),
    index: spec.index,
    name,
    pid,
    restarts,
    startedAt,
    port: spec.port,
  } as const
  const listening = group.cluster ? { listening: spec.port } : {}
  return { ...instance, ...listening, status: 'online' }
}

function refOf({ project, type, release, generation }: GroupRef): GroupRef {
  return { project, type, release, generation }
}

function sameGroup(one: GroupRef, other: GroupRef): boolean {
  return keyOf(one, 0) === keyOf(other, 0)
}

function keyOf({ project, type, release, generation }: GroupRef, index: number): string {
  return `${project}/${type}.${index}/v${release}/g${generation}`
}

function afterGrace(graceMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, graceMs).unref())
}

function subscribe<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
