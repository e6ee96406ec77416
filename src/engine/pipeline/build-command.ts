import { isRefusal, Refusal } from '../domain/refusal.ts'
import { type Isolation, isolated } from '../isolation.ts'
import { type Breach, type TreeLimits, watchTree } from '../job-watch.ts'
import { type Command, type Exit, type RunOptions, run } from '../shell.ts'
import { size } from './output.ts'

/** Runs a command of an install, a build or a release phase: strangers' code, beside apps that serve. */

export interface BuildLimits {
  /** Of one command, ms. */
  readonly timeoutMs: number
  /** Of one command, bytes. */
  readonly maxOutputBytes: number
  /** Of everything a command has started, together; no limit where it is not said. */
  readonly tree?: TreeLimits
}

export interface BuildCommand {
  readonly signal: AbortSignal
  /** See `RunOptions.job`. */
  readonly job?: string | undefined
  readonly isolation: Isolation
  readonly limits: BuildLimits
  /** What too many processes are refused with. */
  readonly failure: 'install_failed' | 'build_failed' | 'release_failed'
  readonly onLine: NonNullable<RunOptions['onLine']>
}

/** SIGTERM to SIGKILL: with what follows, nothing is left within two seconds. */
const graceMs = 1_000

/**
 * Runs it to its end with little priority and all limits. Refuses with `out_of_memory`, `disk_full`, `failure`, and
 * as `shell.run` does (`timeout`, `output_limit`, `cancelled`), always after nothing of it is left.
 */
export async function runBuildCommand(command: Command, how: BuildCommand): Promise<Exit> {
  const { signal, job, isolation, limits, failure, onLine } = how
  const { timeoutMs, maxOutputBytes, tree } = limits
  const watch: RunOptions['watch'] = (pid, end) =>
    watchTree(pid, tree ?? unlimited, (breach) => end(tooMuch(breach, tree ?? unlimited, failure)))
  const options = { signal, timeoutMs, maxOutputBytes, onLine, watch, graceMs }
  try {
    return await run(isolated(isolation, command), job === undefined ? options : { ...options, job })
  } catch (error) {
    if (isRefusal(error, 'timeout'))
      throw withHint(error, 'make it faster, or raise buildTimeoutMs of the project')
    throw error
  }
}

const unlimited: TreeLimits = {
  memoryBytes: Number.POSITIVE_INFINITY,
  processes: Number.POSITIVE_INFINITY,
  disk: null,
}

function tooMuch(breach: Breach, limits: TreeLimits, failure: BuildCommand['failure']): Refusal {
  if (breach.of === 'memory') {
    return new Refusal(
      'out_of_memory',
      `the step used ${size(breach.bytes)} of memory, and may use ${size(limits.memoryBytes)}`,
      { hint: 'make it smaller, or raise buildMemoryMb of the project' },
    )
  }
  if (breach.of === 'processes') {
    return new Refusal(
      failure,
      `the step started ${breach.count} processes, and may have ${limits.processes} at once`,
      { hint: 'does it start itself again and again? Else raise buildProcesses of the server' },
    )
  }
  return new Refusal('disk_full', `the step filled the disk: ${size(breach.freeBytes)} are left`, {
    hint: 'free some space on the server ("nodepilot disk" shows what uses it), then push again',
  })
}

function withHint(refusal: Refusal, hint: string): Refusal {
  return new Refusal(refusal.code, refusal.message, { hint, lines: refusal.lines, cause: refusal })
}
