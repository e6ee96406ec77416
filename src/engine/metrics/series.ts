import { quantileMs } from '../router/latency.ts'
import type { Range, Series } from './history.ts'
import type { MachinePoint, ProjectPoint } from './point.ts'

type Values = readonly (number | null)[]

/** Numbers over time as people and programs get them; null where nothing was measured. */
export interface ShownSeries<Name extends string> {
  readonly range: Range
  readonly stepMs: number
  /** ISO 8601, UTC: the beginning of each step. The last step is under way. */
  readonly times: readonly string[]
  readonly series: Readonly<Record<Name, Values>>
}

export type ProjectSeries = ShownSeries<
  'cpu' | 'memoryBytes' | 'requests' | 'errors' | 'p50Ms' | 'p95Ms' | 'p99Ms' | 'restarts'
>
export type MachineSeries = ShownSeries<
  'cpu' | 'memoryBytes' | 'diskUsedBytes' | 'load' | 'rxBytesPerSecond' | 'txBytesPerSecond'
>

export function showProject(range: Range, series: Series<keyof ProjectPoint['sums']>): ProjectSeries {
  const each = (value: (point: ProjectPoint) => number | null) =>
    series.points.map((point) => point && value(point))
  const percentile = (share: number) =>
    each(({ sums, latency }) => (sums.requests > 0 ? quantileMs(latency, share) : null))
  const count = (name: 'requests' | 'errors') => each(({ sums }) => (sums.heard > 0 ? sums[name] : null))
  return {
    ...frame(range, series),
    series: {
      cpu: each(({ sums }) => meanOf(sums.cpu, sums.looks, 1)),
      memoryBytes: each(({ sums }) => meanOf(sums.memory, sums.looks)),
      requests: count('requests'),
      errors: count('errors'),
      p50Ms: percentile(0.5),
      p95Ms: percentile(0.95),
      p99Ms: percentile(0.99),
      restarts: each(({ sums }) => sums.restarts),
    },
  }
}

export function showMachine(range: Range, series: Series<keyof MachinePoint['sums']>): MachineSeries {
  const mean = (name: 'cpu' | 'memory' | 'disk' | 'load', digits: number) =>
    series.points.map((point) => point && meanOf(point.sums[name], point.sums.looks, digits))
  const rate = (name: 'rx' | 'tx') =>
    series.points.map((point) => point && meanOf(point.sums[name] * 1000, point.sums.ms))
  return {
    ...frame(range, series),
    series: {
      cpu: mean('cpu', 1),
      memoryBytes: mean('memory', 0),
      diskUsedBytes: mean('disk', 0),
      load: mean('load', 2),
      rxBytesPerSecond: rate('rx'),
      txBytesPerSecond: rate('tx'),
    },
  }
}

/** Null where there was no look. */
export function meanOf(sum: number, looks: number, digits = 0): number | null {
  if (looks <= 0) return null
  const factor = 10 ** digits
  return Math.round((sum / looks) * factor) / factor
}

function frame(range: Range, { stepMs, times }: Series<string>) {
  return { range, stepMs, times: times.map((time) => new Date(time).toISOString()) }
}
