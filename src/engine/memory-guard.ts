import type { Context } from './context.ts'
import { theServer } from './domain/audit.ts'
import { exitSentence, megabytes } from './last-exits.ts'
import { isSame } from './pipeline/start-serving.ts'
import { switchRoutes } from './pipeline/switch-routes.ts'
import type { InstanceStats } from './ports.ts'
import { proportionalBytesOf, residentBytesOf } from './process-memory.ts'
import { endAll, type ProcessRow, processTable, treeOf } from './processes.ts'
import type { InstanceRow } from './store/instances.ts'
import type { ProjectRow } from './store/projects.ts'

/**
 * Holds instances to the memory limit of their project: the whole tree of processes is measured every
 * three quarters of a second, and one that is over it is asked to end, then killed. From the first byte too
 * many to the end that is less than two seconds. Projects without a limit cost nothing.
 */

const everyMs = 750
/** SIGTERM to SIGKILL for an instance that is over its limit: what it takes meanwhile, others lack. */
const graceMs = 1_000
const megabyte = 1_000_000

export interface MemoryGuard {
  start(): void
  /** Resolves when no look is under way. */
  stop(): Promise<void>
  /** How often instances of each project were over it since this server started. */
  counts(): ReadonlyMap<string, number>
  /** One look at everything that has a limit. */
  look(): Promise<void>
}

export function createMemoryGuard(ctx: Context): MemoryGuard {
  const ending = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let running = false
  let looking: Promise<void> = Promise.resolve()

  const look = async (): Promise<void> => {
    const limited = new Map(ctx.store.projects.limited().map((project) => [project.name, project]))
    if (limited.size === 0) return
    const { instances } = await ctx.watch.look()
    const table = processTable()
    for (const instance of instances ?? []) {
      const project = limited.get(instance.project)
      if (!project || instance.pid === null || ending.has(keyOf(instance))) continue
      const limitBytes = (project.memoryLimitMb ?? 0) * megabyte
      const tree = treeOf(table, instance.pid)
      const usedBytes = overLimit(tree, limitBytes)
      if (usedBytes === null) continue
      ending.add(keyOf(instance))
      ctx.background.run(`ending ${instance.name} of ${instance.project}, which is over its limit`, () =>
        enforce(ctx, project, instance, tree, { usedBytes, limitBytes }).finally(() =>
          ending.delete(keyOf(instance)),
        ),
      )
    }
  }
  const loop = async () => {
    looking = look().catch((error: unknown) => ctx.report.error('watching memory failed', error))
    await looking
    if (running) timer = setTimeout(loop, everyMs).unref()
  }

  return {
    look,
    counts: () => ctx.lastExits.outOfMemory(),
    start() {
      if (running) return
      running = true
      void loop()
    },
    async stop() {
      running = false
      clearTimeout(timer)
      await looking
    },
  }
}

/** What the tree uses where that is too much. What processes share is counted once before anything is ended. */
function overLimit(tree: readonly ProcessRow[], limitBytes: number): number | null {
  const resident = residentBytesOf(tree)
  if (resident <= limitBytes || tree.length <= 1) return resident > limitBytes ? resident : null
  const proportional = proportionalBytesOf(tree)
  return proportional > limitBytes ? proportional : null
}

async function enforce(
  ctx: Context,
  project: ProjectRow,
  instance: InstanceStats,
  tree: readonly ProcessRow[],
  memory: { readonly usedBytes: number; readonly limitBytes: number },
): Promise<void> {
  const running = await ctx.runtime.list(project.name)
  // the look may be some seconds old: never a stranger that has its pid now
  if (!running.some(({ pid, name }) => pid === instance.pid && name === instance.name)) return
  ctx.lastExits.expect(instance, memory)
  const row = servingRow(ctx, project, instance)
  const fails = row !== undefined && project.settings.memoryAction === 'fail'
  const sentence = `it ${exitSentence({ code: null, signal: null, memory }, [])}`
  ctx.report.info(`${project.name} ${instance.name}: ${sentence}`)
  // written down first: whoever mends processes meanwhile must not start it again
  if (fails) ctx.store.instances.fail(row, `${sentence}; it stays ended until a restart or a deployment`)
  await endAll(tree, graceMs)
  ctx.audit({
    who: theServer,
    action: 'process.out_of_memory',
    project,
    before: { memory: megabytes(memory.usedBytes), memoryLimitMb: project.memoryLimitMb },
    after: { instance: instance.name, release: instance.release, action: fails ? 'fail' : 'restart' },
  })
  // the runtime has started it again by now; this may have to wait for other changes of the project
  if (fails) await Promise.all([switchRoutes(ctx), ctx.runtime.stop(instance, graceMs, [instance.index])])
}

function servingRow(ctx: Context, project: ProjectRow, instance: InstanceStats): InstanceRow | undefined {
  return ctx.store.instances
    .ofProject(project.id, 'serving')
    .find((row) => isSame(instance, project.name, row))
}

function keyOf({ project, name, generation, pid }: InstanceStats): string {
  return `${project} ${name} ${generation} ${pid}`
}
