import type { RouteTable, TrafficCounts, TrafficReport } from '../ports.ts'
import { bucketCount, bucketOf } from './latency.ts'

/** Requests of one release that are counted on their own; those of older ones are one number. */
const releasesKept = 5

/** What one release of a project was asked and how it answered. Counting costs some additions a request. */
export class Meter {
  open = 0
  requests = 0
  /** Left before an answer, then 1xx to 5xx. */
  readonly statuses = [0, 0, 0, 0, 0, 0]
  bytesIn = 0
  bytesOut = 0
  sumMs = 0
  readonly latency: number[] = new Array<number>(bucketCount).fill(0)

  /** `status` 0: the client left before there was an answer, so there is no time to count. */
  count(status: number, ms: number, bytesIn: number, bytesOut: number): void {
    const kind = status >= 100 && status < 600 ? Math.floor(status / 100) : 0
    this.requests++
    this.statuses[kind] = (this.statuses[kind] ?? 0) + 1
    this.bytesIn += bytesIn
    this.bytesOut += bytesOut
    if (kind === 0) return
    const bucket = bucketOf(ms)
    this.sumMs += ms
    this.latency[bucket] = (this.latency[bucket] ?? 0) + 1
  }

  /** Takes over what another one has counted; what that has under way still ends there. */
  absorb(other: Meter): void {
    this.requests += other.requests
    this.bytesIn += other.bytesIn
    this.bytesOut += other.bytesOut
    this.sumMs += other.sumMs
    for (const [kind, count] of other.statuses.entries())
      this.statuses[kind] = (this.statuses[kind] ?? 0) + count
    for (const [bucket, count] of other.latency.entries()) {
      this.latency[bucket] = (this.latency[bucket] ?? 0) + count
    }
  }
}

/** The traffic of every project since the router started. A project's sums never fall while it is in the table. */
export class Traffic {
  readonly #since: string
  readonly #projects = new Map<string, Map<number | null, Meter>>()

  /** Whether anything is counted. */
  readonly counts: boolean

  /** Milliseconds since 1970. */
  constructor(startedAt: number, counts = true) {
    this.counts = counts
    this.#since = new Date(startedAt).toISOString()
  }

  of(project: string, release: number | null): Meter {
    return this.#projects.get(project)?.get(release) ?? this.#begin(project, release)
  }

  #begin(project: string, release: number | null): Meter {
    const meters = this.#projects.get(project) ?? new Map<number | null, Meter>()
    const meter = new Meter()
    this.#projects.set(project, meters)
    meters.set(release, meter)
    return meter
  }

  /** Forgets projects that are gone, and adds up releases of long ago. */
  keep({ routes }: RouteTable): void {
    const named = new Set(routes.map(({ project }) => project))
    for (const [project, meters] of this.#projects) {
      if (!named.has(project)) this.#projects.delete(project)
      else if (meters.size > releasesKept + 1) foldOldest(meters)
    }
  }

  report(): TrafficReport {
    const projects: TrafficCounts[] = []
    for (const [project, meters] of this.#projects) {
      for (const [release, meter] of meters) projects.push({ project, release, ...countsOf(meter) })
    }
    return { since: this.#since, projects }
  }
}

/** Of a release whose last requests have ended: one with some under way would count them where nobody looks. */
function foldOldest(meters: Map<number | null, Meter>): void {
  const releases = [...meters.keys()].filter((release) => release !== null).sort((a, b) => a - b)
  const older = meters.get(null) ?? new Meter()
  for (const release of releases.slice(0, -releasesKept)) {
    const meter = meters.get(release)
    if (!meter || meter.open > 0) continue
    older.absorb(meter)
    meters.delete(release)
    meters.set(null, older)
  }
}

function countsOf(meter: Meter): Omit<TrafficCounts, 'project' | 'release'> {
  const { requests, statuses, bytesIn, bytesOut, open, sumMs, latency } = meter
  const used = [...latency.entries()].filter(([, count]) => count > 0)
  return { requests, statuses: [...statuses], bytesIn, bytesOut, open, sumMs, latency: used }
}
