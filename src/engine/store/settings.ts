import type { Db } from './database.ts'

export type SettingsTable = ReturnType<typeof createSettings>

/** Small facts this home remembers: its port, its counters. */
export function createSettings(db: Db) {
  const get = db.prepare('SELECT value FROM settings WHERE key = ?').pluck()
  const set = db.prepare(
    'INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  )
  const remove = db.prepare('DELETE FROM settings WHERE key = ?')
  const keys = db.prepare('SELECT key FROM settings WHERE substr(key, 1, length(@prefix)) = @prefix').pluck()
  const next = db
    .prepare(`
    INSERT INTO settings (key, value) VALUES (?, '1')
    ON CONFLICT DO UPDATE SET value = CAST(value AS INTEGER) + 1 RETURNING CAST(value AS INTEGER)`)
    .pluck()
  return {
    get(key: string): string | null {
      return (get.get(key) as string | undefined) ?? null
    },
    set(key: string, value: string): void {
      set.run(key, value)
    },
    remove(key: string): void {
      remove.run(key)
    },
    keys(prefix: string): string[] {
      return keys.all({ prefix }) as string[]
    },
    /** A counter that never gives the same number twice. */
    next(counter: 'generation' | 'routes'): number {
      return next.get(counter) as number
    },
  }
}
