import { chmodSync, closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import Database from 'better-sqlite3'

export type Db = Database.Database

/**
 * Opens (or creates) the database and brings it to the newest schema.
 * WAL so that readers never wait for the writer; FULL so that a commit survives a power cut.
 */
export function openDatabase(file: string): Db {
  if (file !== ':memory:') keepPrivate(file)
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.pragma('busy_timeout = 5000')
  db.pragma('foreign_keys = ON')
  migrate(db)
  return db
}

/** For its owner alone; SQLite gives its other files (WAL, shared memory) the rights of this one. */
function keepPrivate(file: string): void {
  closeSync(openSync(file, 'a', 0o600))
  chmodSync(file, 0o600)
}

/** Applies `migrations/NNN-name.sql` in order, each in one transaction; `user_version` remembers how far. */
export function migrate(db: Db): void {
  const directory = new URL('./migrations/', import.meta.url)
  const files = readdirSync(directory).filter((name) => /^\d{3}-.+\.sql$/.test(name))
  const done = db.pragma('user_version', { simple: true }) as number
  const newest = Math.max(...files.map(versionOf))
  if (done > newest) {
    throw new Error(`the database is of a newer NodePilot (schema ${done}, this one knows ${newest})`)
  }
  for (const name of files.sort()) {
    const version = versionOf(name)
    if (version <= done) continue
    db.transaction(() => {
      db.exec(readFileSync(new URL(name, directory), 'utf8'))
      db.pragma(`user_version = ${version}`)
    }).immediate()
  }
}

function versionOf(file: string): number {
  return Number(file.slice(0, 3))
}

/** Does the database still answer? For `/health`. */
export function checkDatabase(db: Db): boolean {
  try {
    db.prepare('SELECT 1').get()
    return true
  } catch {
    return false
  }
}
