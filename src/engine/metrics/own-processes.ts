import { residentBytes } from '../process-memory.ts'
import { processRow, ticksPerSecond, ticksSinceBoot } from '../processes.ts'

/** What NodePilot itself runs: the server, the front door, the process manager's daemon. */
export interface OwnProcess {
  readonly name: 'server' | 'router' | 'pm2'
  /** null while it does not run. */
  readonly pid: number | null
  readonly restarts: number
}

export interface ProcessUse {
  /** Percent of one core, over the last seconds. */
  readonly cpu: number
  readonly memoryBytes: number
  readonly uptimeMs: number
}

/** Single processes, without their children. `tick` is to be called every few seconds: means go back to the last but one. */
export function createProcessMeter() {
  const seen = new Map<number, { last: Sample; before: Sample | null }>()
  const sampleOf = (pid: number): Sample | null => {
    const row = processRow(pid)
    return row && { at: ticksSinceBoot(), used: row.cpu, start: row.start }
  }
  return {
    tick(pids: readonly number[]): void {
      for (const pid of seen.keys()) if (!pids.includes(pid)) seen.delete(pid)
      for (const pid of pids) {
        const last = sampleOf(pid)
        if (last) seen.set(pid, { last, before: seen.get(pid)?.last ?? null })
      }
    },
    /** Null: there is no such process. */
    read(pid: number): ProcessUse | null {
      const now = sampleOf(pid)
      if (!now) return null
      const before = seen.get(pid)?.before
      const base = before?.start === now.start ? before : { at: now.start, used: 0 }
      const cpu = ((now.used - base.used) / Math.max(now.at - base.at, 1)) * 100
      return {
        cpu: Math.round(cpu * 10) / 10,
        memoryBytes: residentBytes(pid),
        uptimeMs: Math.round(((now.at - now.start) / ticksPerSecond) * 1000),
      }
    },
  }
}

/** All in clock ticks. */
interface Sample {
  readonly at: number
  readonly used: number
  readonly start: number
}
