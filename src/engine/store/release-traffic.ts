import type { Db } from './database.ts'

export interface ReleaseTrafficRow {
  readonly release: number
  /** When the front door that counted `latest` began, ISO 8601. */
  readonly countedSince: string
  /** JSON. */
  readonly earlier: string
  readonly latest: string
}

export type ReleaseTrafficRows = ReturnType<typeof createReleaseTrafficRows>

export function createReleaseTrafficRows(db: Db) {
  const columns = 'release, counted_since AS countedSince, earlier, latest'
  const find = db.prepare(`SELECT ${columns} FROM release_traffic WHERE project_id = ? AND release = ?`)
  const newest = db.prepare(
    `SELECT ${columns} FROM release_traffic WHERE project_id = ? ORDER BY release DESC LIMIT ?`,
  )
  const put = db.prepare(`
    INSERT INTO release_traffic (project_id, release, counted_since, earlier, latest)
    VALUES (@projectId, @release, @countedSince, @earlier, @latest)
    ON CONFLICT DO UPDATE SET counted_since = excluded.counted_since, earlier = excluded.earlier, latest = excluded.latest`)
  return {
    find(projectId: number, release: number): ReleaseTrafficRow | null {
      return (find.get(projectId, release) as ReleaseTrafficRow | undefined) ?? null
    },
    /** Newest release first. */
    newest(projectId: number, limit: number): ReleaseTrafficRow[] {
      return newest.all(projectId, limit) as ReleaseTrafficRow[]
    },
    put(projectId: number, row: ReleaseTrafficRow): void {
      put.run({ projectId, ...row })
    },
  }
}
