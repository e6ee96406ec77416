import type { TrafficReport } from '../ports.ts'
import { addHistograms, type Histogram, subtractHistogram } from '../router/latency.ts'

export interface Traffic {
  readonly requests: number
  /** Answers of 500 and above, those of the router for an app that did not answer among them. */
  readonly errors: number
  readonly latency: Histogram
}

export const noTraffic: Traffic = { requests: 0, errors: 0, latency: [] }

/**
 * The front door counts from its start on; a plot wants what was new. Returns the traffic of each project since
 * the report before, or null where there was none to compare with.
 */
export function createTrafficChanges(): (report: TrafficReport) => ReadonlyMap<string, Traffic> | null {
  let before: { readonly since: string; readonly totals: ReadonlyMap<string, Traffic> } | null = null
  return (report) => {
    const totals = totalsOf(report)
    // counters that began anew have counted nothing that was reported before
    const known = before?.since === report.since ? before.totals : new Map<string, Traffic>()
    const first = before === null
    before = { since: report.since, totals }
    if (first) return null
    return new Map([...totals].map(([project, total]) => [project, changeOf(total, known.get(project))]))
  }
}

function totalsOf({ projects }: TrafficReport): Map<string, Traffic> {
  const totals = new Map<string, Traffic>()
  for (const { project, requests, statuses, latency } of projects) {
    const sum = totals.get(project) ?? noTraffic
    totals.set(project, {
      requests: sum.requests + requests,
      errors: sum.errors + (statuses[5] ?? 0),
      latency: addHistograms(sum.latency, latency),
    })
  }
  return totals
}

/** A project that was removed and made again begins at 0 too. */
function changeOf(total: Traffic, before: Traffic = noTraffic): Traffic {
  if (total.requests < before.requests) return total
  return {
    requests: total.requests - before.requests,
    errors: Math.max(total.errors - before.errors, 0),
    latency: subtractHistogram(total.latency, before.latency),
  }
}
