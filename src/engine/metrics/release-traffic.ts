import type { Context } from '../context.ts'
import { fewestRequests } from '../domain/judge-release.ts'
import type { TrafficCounts, TrafficReport } from '../ports.ts'
import type { ReleaseTrafficRow } from '../store/release-traffic.ts'
import { addCounts, type Counts, countsOf, noCounts, readCounts, subtractCounts } from './counts.ts'

export type ReleaseTraffic = ReturnType<typeof createReleaseTraffic>

export interface CountedRelease {
  readonly release: number
  readonly counts: Counts
  /** Requests and tunnels under way. */
  readonly open: number
}

/** So far back lies what a new release is compared with, ms. */
const recentMs = 600_000
const snapshotEveryMs = 60_000
const mostShown = 20

interface Snapshot {
  readonly at: number
  readonly counts: Counts
}

/**
 * Traffic by release. The front door counts since its own start, so what it tells is kept beside what earlier ones
 * told: nothing is counted twice, and nothing is lost but the last minute of a front door that was killed.
 */
export function createReleaseTraffic({ store, router, clock }: Pick<Context, 'store' | 'router' | 'clock'>) {
  /** Of the last ten minutes, a minute apart, oldest first. */
  const snapshots = new Map<string, Snapshot[]>()
  /** Requests that were written down, so that only what has changed is written again. */
  const written = new Map<string, string>()
  let countedSince = ''

  const note = (report: TrafficReport): void => {
    const now = clock()
    const first = report.since !== countedSince
    if (first) {
      snapshots.clear()
      countedSince = report.since
    }
    const seen = new Set<string>()
    for (const one of report.projects) {
      const key = keyOf(one)
      seen.add(key)
      const known = snapshots.get(key) ?? (first ? [] : [{ at: now - 1, counts: noCounts }])
      const last = known.at(-1)
      if (last && snapshots.has(key) && now - last.at < snapshotEveryMs) continue
      // the same object again where nothing came: most releases rest
      const counts = last?.counts.requests === one.requests ? last.counts : countsOf(one)
      snapshots.set(key, [...known.filter(({ at }) => now - at <= recentMs), { at: now, counts }])
    }
    for (const key of snapshots.keys()) if (!seen.has(key)) snapshots.delete(key)
  }

  return {
    note,

    /** Within a transaction of the caller: writes down what has changed. */
    save(report: TrafficReport): void {
      const ids = new Map(store.projects.names().map(({ id, name }) => [name, id]))
      for (const one of report.projects) {
        const id = ids.get(one.project)
        const mark = `${report.since} ${one.requests}`
        if (id === undefined || one.release === null || one.requests === 0) continue
        if (written.get(keyOf(one)) === mark) continue
        const row = merged(store.releaseTraffic.find(id, one.release), one, report.since)
        store.releaseTraffic.put(id, { release: one.release, ...row })
        written.set(keyOf(one), mark)
      }
    },

    /** All that is known of a project's newest releases, newest first. */
    async ofProject(project: { readonly id: number; readonly name: string }): Promise<CountedRelease[]> {
      const report = await router.traffic().catch(() => null)
      const found = new Map(
        store.releaseTraffic
          .newest(project.id, mostShown)
          .map((row) => [row.release, { release: row.release, counts: totalOf(row), open: 0 }]),
      )
      for (const one of report?.projects ?? []) {
        if (one.project !== project.name || one.release === null || report === null) continue
        const row = merged(store.releaseTraffic.find(project.id, one.release), one, report.since)
        found.set(one.release, { release: one.release, counts: totalOf(row), open: one.open })
      }
      return [...found.values()].sort((a, b) => b.release - a.release).slice(0, mostShown)
    },

    /** What the front door has counted of one release; null: it does not answer. */
    async of(project: string, release: number): Promise<Counts | null> {
      const report = await router.traffic().catch(() => null)
      return report && find(report, project, release)
    },

    /** The same for its last ten minutes; all since the start of the front door where those were too few to compare. */
    async recent(project: string, release: number): Promise<Counts | null> {
      const report = await router.traffic().catch(() => null)
      if (report === null) return null
      const all = find(report, project, release)
      const oldest = snapshots.get(keyOf({ project, release }))?.find(({ at }) => clock() - at <= recentMs)
      if (!oldest || report.since !== countedSince) return all
      const found = subtractCounts(all, oldest.counts)
      return found.requests < fewestRequests ? all : found
    },
  }
}

function find(report: TrafficReport, project: string, release: number): Counts {
  const found = report.projects.find((one) => one.project === project && one.release === release)
  return found ? countsOf(found) : noCounts
}

/** What is written down, and what the front door says now. */
function merged(
  row: ReleaseTrafficRow | null,
  one: TrafficCounts,
  since: string,
): Omit<ReleaseTrafficRow, 'release'> {
  const latest = JSON.stringify(countsOf(one))
  if (row === null) return { countedSince: since, earlier: JSON.stringify(noCounts), latest }
  if (row.countedSince === since) return { ...row, latest }
  return { countedSince: since, earlier: JSON.stringify(totalOf(row)), latest }
}

function totalOf({ earlier, latest }: Pick<ReleaseTrafficRow, 'earlier' | 'latest'>): Counts {
  return addCounts(readCounts(earlier), readCounts(latest))
}

function keyOf({ project, release }: { readonly project: string; readonly release: number | null }): string {
  return `${project} ${release}`
}
