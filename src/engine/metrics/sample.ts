import type { InstanceStats } from '../ports.ts'
import type { ProjectPoint } from './point.ts'
import { noTraffic, type Traffic } from './traffic-changes.ts'
import type { Sight } from './watched-runtime.ts'

/** One look at one project: everything of it that runs, also what is only just coming or going. */
export function projectPoint(
  project: string,
  { instances }: Sight,
  traffic: ReadonlyMap<string, Traffic> | null,
  restarts: number,
): ProjectPoint {
  const running = (instances ?? []).filter(
    (instance) => instance.project === project && instance.pid !== null,
  )
  const sum = (name: 'cpu' | 'memoryBytes') => running.reduce((total, instance) => total + instance[name], 0)
  const { requests, errors, latency } = traffic?.get(project) ?? noTraffic
  return {
    sums: {
      looks: running.length > 0 ? 1 : 0,
      cpu: Math.round(sum('cpu') * 10) / 10,
      memory: sum('memoryBytes'),
      heard: traffic === null ? 0 : 1,
      requests,
      errors,
      restarts,
    },
    latency,
  }
}

/** By project: how often processes were started again since the look before. */
export function createRestartCount(): (instances: readonly InstanceStats[]) => ReadonlyMap<string, number> {
  let before: ReadonlyMap<string, number> | null = null
  return (instances) => {
    const counts = new Map(instances.map((instance) => [keyOf(instance), instance.restarts]))
    const found = new Map<string, number>()
    for (const instance of instances) {
      const known = before === null ? instance.restarts : (before.get(keyOf(instance)) ?? 0)
      const more = Math.max(instance.restarts - known, 0)
      if (more > 0) found.set(instance.project, (found.get(instance.project) ?? 0) + more)
    }
    before = counts
    return found
  }
}

function keyOf({ project, type, generation, index }: InstanceStats): string {
  return `${project} ${type} ${generation} ${index}`
}
