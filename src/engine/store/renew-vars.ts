import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Db } from './database.ts'
import type { Vault } from './vault.ts'

/** Set by the migration while a home may hold config vars in plain text. */
const plainKey = 'config-vars-plain'
/** Rows in one transaction: requests of a running server wait no longer than for these. */
const atOnce = 200

/**
 * Seals what an older NodePilot stored in plain text, once. A crash in the middle is carried on at the next start:
 * the mark goes last, after nothing plain is left in the file. SQLite leaves what was overwritten in free pages
 * and in the write-ahead log, so the file is written anew and the log is emptied.
 */
export function sealPlainVars(db: Db, vault: Vault): void {
  const marked = db.prepare('SELECT 1 FROM settings WHERE key = ?').get(plainKey)
  if (!marked) return
  // a deleted project may have left some in free pages
  if (db.prepare("SELECT 1 FROM sqlite_sequence WHERE name = 'projects'").get()) {
    for (const _ of renewing(db, vault));
    db.prepare('VACUUM').run()
    db.pragma('wal_checkpoint(TRUNCATE)')
  }
  db.prepare('DELETE FROM settings WHERE key = ?').run(plainKey)
}

/** Set while a new key has not sealed everything. */
const renewingKey = 'config-vars-renewing'

/**
 * A new key seals everything from now on, and what is there, a page at a time between requests. Both keys open
 * meanwhile; carried on at the next start where it was cut off. Answers how many rows were sealed anew.
 */
export async function rotateKey(db: Db, vault: Vault, addKey: () => void): Promise<number> {
  db.prepare("INSERT INTO settings (key, value) VALUES (?, 'yes') ON CONFLICT DO NOTHING").run(renewingKey)
  addKey()
  return finishRotation(db, vault)
}

/** What a rotation that was cut off left under the old key; nothing where there was none. */
export async function finishRotation(db: Db, vault: Vault): Promise<number> {
  if (!db.prepare('SELECT 1 FROM settings WHERE key = ?').get(renewingKey)) return 0
  let renewed = 0
  for (const count of renewing(db, vault)) {
    renewed += count
    await nextTurn()
  }
  db.prepare('DELETE FROM settings WHERE key = ?').run(renewingKey)
  return renewed
}

/** Every project, release and remote under the current key, a page at a time: how many rows of it were not yet. */
function* renewing(db: Db, vault: Vault): Generator<number> {
  yield* renewTable(db, vault, {
    read: 'SELECT id AS a, id AS b, env_vars AS text FROM projects WHERE id > @a ORDER BY id LIMIT @limit',
    write: 'UPDATE projects SET env_vars = @text WHERE id = @a AND id = @b',
  })
  yield* renewTable(db, vault, {
    read: `SELECT project_id AS a, number AS b, env_vars AS text FROM releases
      WHERE (project_id, number) > (@a, @b) ORDER BY project_id, number LIMIT @limit`,
    write: 'UPDATE releases SET env_vars = @text WHERE project_id = @a AND number = @b',
  })
  yield* renewTable(db, vault, {
    read: `SELECT project_id AS a, project_id AS b, secrets AS text FROM remotes
      WHERE project_id > @a ORDER BY project_id LIMIT @limit`,
    write: 'UPDATE remotes SET secrets = @text WHERE project_id = @a AND project_id = @b',
  })
}

interface Row {
  /** The project. */
  readonly a: number
  readonly b: number
  readonly text: string | null
}

function* renewTable(
  db: Db,
  vault: Vault,
  sql: { readonly read: string; readonly write: string },
): Generator<number> {
  const read = db.prepare(sql.read)
  const write = db.prepare(sql.write)
  let renewed = 0
  const renewPage = db.transaction((after: Pick<Row, 'a' | 'b'>): Row | undefined => {
    renewed = 0
    const rows = read.all({ a: after.a, b: after.b, limit: atOnce }) as Row[]
    for (const { a, b, text } of rows) {
      const sealed = text === null ? null : vault.renew(a, text)
      if (sealed === null) continue
      write.run({ a, b, text: sealed })
      renewed++
    }
    return rows.at(-1)
  })
  let last: Pick<Row, 'a' | 'b'> | undefined = { a: 0, b: 0 }
  while (last) {
    last = renewPage.immediate(last)
    yield renewed
  }
}
