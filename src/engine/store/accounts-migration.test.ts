import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { migrate } from './database.ts'
import { createStore } from './store.ts'

test('a server from before accounts keeps its sessions, and the first admin owns its projects', () => {
  const db = new Database(':memory:')
  db.pragma('foreign_keys = ON')
  db.exec(readFileSync(path.join(import.meta.dirname, 'migrations', '001-first.sql'), 'utf8'))
  db.pragma('user_version = 1')
  db.exec(`
    INSERT INTO users (username, password, role) VALUES ('member', 'x', 'member'), ('ada', 'x', 'admin');
    INSERT INTO projects (name, display_name, path, start_command, pm2_name) VALUES ('shop', 'Shop', '/', '', 'x');
    INSERT INTO sessions VALUES ('sid', 2, '2026-01-01T00:00:00.000Z', '2026-01-08T00:00:00.000Z');`)
  migrate(db)
  const store = createStore(db, () => Date.UTC(2026, 0, 2))
  const [owner] = store.members.list(1)
  assert.deepEqual([owner?.username, owner?.role], ['ada', 'owner'])
  assert.equal(store.members.list(1).length, 1)
  const session = store.sessions.find('sid')
  assert.deepEqual([session?.userId, session?.kind, session?.number], [2, 'api', 1])
  assert.deepEqual(db.pragma('foreign_key_check'), [])
})
