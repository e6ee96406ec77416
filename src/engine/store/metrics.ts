import type { Db } from './database.ts'

export interface MetricRow {
  /** Seconds since 1970. */
  readonly at: number
  /** JSON of a point. */
  readonly point: string
}

/** The machine, among the projects. */
export const machineSubject = 0

export type Metrics = ReturnType<typeof createMetricRows>

/** Points over time. `subject`: a project's number, or `machineSubject`; `step`: seconds. */
export function createMetricRows(db: Db) {
  const find = db.prepare('SELECT point FROM metrics WHERE subject = ? AND step = ? AND at = ?').pluck()
  const put = db.prepare(`
    INSERT INTO metrics (subject, step, at, point) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET point = excluded.point`)
  const since = db.prepare(
    'SELECT at, point FROM metrics WHERE subject = ? AND step = ? AND at >= ? ORDER BY at',
  )
  const prune = db.prepare('DELETE FROM metrics WHERE subject = ? AND step = ? AND at < ?')
  return {
    find(subject: number, step: number, at: number): string | null {
      return (find.get(subject, step, at) as string | undefined) ?? null
    },
    put(subject: number, step: number, { at, point }: MetricRow): void {
      put.run(subject, step, at, point)
    },
    /** Oldest first. */
    since(subject: number, step: number, at: number): MetricRow[] {
      return since.all(subject, step, at) as MetricRow[]
    },
    /** Removes what is older. */
    prune(subject: number, step: number, before: number): void {
      prune.run(subject, step, before)
    },
  }
}
