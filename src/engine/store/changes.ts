import type { Db } from './database.ts'

export type ChangesTable = ReturnType<typeof createChanges>

/** What each deployment changed, as JSON that was made here. */
export function createChanges(db: Db) {
  const put = db.prepare(`
    INSERT INTO deployment_changes (deployment_id, changes) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET changes = excluded.changes`)
  const find = db.prepare('SELECT changes FROM deployment_changes WHERE deployment_id = ?').pluck()
  return {
    put(deploymentId: number, changes: string): void {
      put.run(deploymentId, changes)
    },
    find: (deploymentId: number): string | null => (find.get(deploymentId) as string | undefined) ?? null,
  }
}
