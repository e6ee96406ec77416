import type { CountedRelease } from '../engine/metrics/release-traffic.ts'
import { quantileMs } from '../engine/router/latency.ts'

/** What one release was asked and how it answered, as API and pages show it. */
export interface ShownTraffic {
  readonly release: number
  readonly current: boolean
  /** When it went live, ISO 8601, UTC; null: not known any more. */
  readonly since: string | null
  readonly requests: number
  readonly errors: number
  /** By class of status; `none`: the client left before there was an answer. */
  readonly statuses: Readonly<Record<string, number>>
  readonly bytesIn: number
  readonly bytesOut: number
  readonly open: number
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly p99Ms: number | null
}

export function presentTraffic(
  { release, counts, open }: CountedRelease,
  current: number | null,
  since: string | null,
): ShownTraffic {
  const { requests, statuses, bytesIn, bytesOut, latency } = counts
  return {
    release,
    current: release === current,
    since,
    requests,
    errors: statuses[5] ?? 0,
    statuses: Object.fromEntries(
      statuses.map((count, kind) => [kind === 0 ? 'none' : `${kind}xx`, count] as const),
    ),
    bytesIn,
    bytesOut,
    open,
    p50Ms: quantileMs(latency, 0.5),
    p95Ms: quantileMs(latency, 0.95),
    p99Ms: quantileMs(latency, 0.99),
  }
}
