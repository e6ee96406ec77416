import { Refusal } from '../domain/refusal.ts'
import { watchTree } from '../job-watch.ts'
import type { RunOptions } from '../shell.ts'
import type { ProjectRow } from '../store/projects.ts'
import { size } from './output.ts'

/**
 * For `shell.run`: a one-off and a run of a job, each with all it has started, may take as much memory as an
 * instance of the project. Over it, everything is ended and the command refused with `out_of_memory`, within two
 * seconds. Without a limit nothing is watched.
 */
export function memoryWatch({ memoryLimitMb }: Pick<ProjectRow, 'memoryLimitMb'>): Pick<RunOptions, 'watch'> {
  if (memoryLimitMb === null) return {}
  const memoryBytes = memoryLimitMb * 1_000_000
  const limits = { memoryBytes, processes: Number.POSITIVE_INFINITY, disk: null }
  return {
    watch: (pid, end) =>
      watchTree(pid, limits, (breach) => {
        if (breach.of === 'memory') end(outOfMemory(breach.bytes, memoryBytes))
      }),
  }
}

function outOfMemory(usedBytes: number, limitBytes: number): Refusal {
  return new Refusal(
    'out_of_memory',
    `it used ${size(usedBytes)} of memory, and may use ${size(limitBytes)}`,
    {
      hint: 'make it smaller, or raise memoryLimitMb of the project',
    },
  )
}
