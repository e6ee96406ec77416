import type { InstanceStats } from '../../ports.ts'
import { residentBytesOf } from '../../process-memory.ts'
import { processTable, ticksPerSecond, ticksSinceBoot, treeOf } from '../../processes.ts'
import { instancesOf } from './groups.ts'
import { instanceName } from './names.ts'
import type { Entry } from './records.ts'

/** CPU and memory of whole trees: an app behind `sh -c`, or with workers, is more than its first process. */

interface Sample {
  /** Clock ticks since boot. */
  readonly at: number
  /** Pid and start of each process → ticks it has used. */
  readonly used: ReadonlyMap<string, number>
}

interface Look {
  /** Clock ticks since boot. */
  readonly at: number
  readonly samples: ReadonlyMap<string, Sample>
}

/** A mean over less says more about the clock's ticks than about the app. */
const leastTicks = ticksPerSecond

/**
 * A reader that remembers earlier looks: `cpu` is the mean since the last one that is at least a second old;
 * for an instance that one had not seen, since its start. Memory is resident; pages that several processes
 * share count for each.
 */
export function createStatsReader(): (entries: readonly Entry[]) => Promise<readonly InstanceStats[]> {
  let base: Look = { at: 0, samples: new Map() }
  let newest: Look = base
  return async (entries) => {
    const table = processTable()
    const at = ticksSinceBoot()
    if (at - newest.at >= leastTicks) base = newest
    const { samples } = base
    const next = new Map<string, Sample>()
    const found: InstanceStats[] = []
    for (const instance of instancesOf(entries)) {
      if (!instance.pid) {
        found.push({ ...instance, cpu: 0, memoryBytes: 0 })
        continue
      }
      const name = instanceName(instance)
      const tree = treeOf(table, instance.pid)
      const used = new Map(tree.map((row) => [`${row.pid} ${row.start}`, row.cpu]))
      const before = samples.get(name) ?? birth(table.get(instance.pid)?.start ?? at)
      next.set(name, { at, used })
      found.push({
        ...instance,
        cpu: percent(before, { at, used }),
        memoryBytes: residentBytesOf(tree),
      })
    }
    if (newest === base) newest = { at, samples: next }
    return found
  }
}

function birth(at: number): Sample {
  return { at, used: new Map() }
}

/** A process that ended since the last look takes its ticks with it, so each is compared with itself. */
function percent(before: Sample, now: Sample): number {
  let ticks = 0
  for (const [key, used] of now.used) ticks += used - (before.used.get(key) ?? 0)
  const elapsed = Math.max(1, now.at - before.at)
  return Math.round((ticks / elapsed) * 1_000) / 10
}
