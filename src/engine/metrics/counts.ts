import { z } from 'zod'
import type { ReleaseShare } from '../domain/comparison.ts'
import type { TrafficCounts } from '../ports.ts'
import { addHistograms, quantileMs, subtractHistogram } from '../router/latency.ts'

/** What was counted of one release, without whose it is and what is under way. */
export type Counts = Omit<TrafficCounts, 'project' | 'release' | 'open'>

export const noCounts: Counts = {
  requests: 0,
  statuses: [0, 0, 0, 0, 0, 0],
  bytesIn: 0,
  bytesOut: 0,
  sumMs: 0,
  latency: [],
}

export function countsOf({ requests, statuses, bytesIn, bytesOut, sumMs, latency }: Counts): Counts {
  return { requests, statuses, bytesIn, bytesOut, sumMs, latency }
}

export function addCounts(one: Counts, other: Counts): Counts {
  return {
    requests: one.requests + other.requests,
    statuses: one.statuses.map((count, kind) => count + (other.statuses[kind] ?? 0)),
    bytesIn: one.bytesIn + other.bytesIn,
    bytesOut: one.bytesOut + other.bytesOut,
    sumMs: one.sumMs + other.sumMs,
    latency: addHistograms(one.latency, other.latency),
  }
}

/** What `now` has more than `before`, of the same counters. */
export function subtractCounts(now: Counts, before: Counts): Counts {
  return {
    requests: now.requests - before.requests,
    statuses: now.statuses.map((count, kind) => count - (before.statuses[kind] ?? 0)),
    bytesIn: now.bytesIn - before.bytesIn,
    bytesOut: now.bytesOut - before.bytesOut,
    sumMs: now.sumMs - before.sumMs,
    latency: subtractHistogram(now.latency, before.latency),
  }
}

/** As far as releases are compared. */
export function shareOf(release: number, { requests, statuses, latency }: Counts): ReleaseShare {
  return {
    release,
    requests: requests - (statuses[0] ?? 0),
    errors: statuses[5] ?? 0,
    p50Ms: quantileMs(latency, 0.5),
    p95Ms: quantileMs(latency, 0.95),
  }
}

const number = z.number().nonnegative()
const stored = z.object({
  requests: number,
  statuses: z.array(number),
  bytesIn: number,
  bytesOut: number,
  sumMs: number,
  latency: z.array(z.tuple([z.number().int().nonnegative(), number])),
})

export function readCounts(text: string): Counts {
  return stored.parse(JSON.parse(text))
}
