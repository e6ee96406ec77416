import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { openDatabase } from './database.ts'
import { keyRing, makeKey, openKeyRing } from './key-ring.ts'
import { finishRotation, rotateKey, sealPlainVars } from './renew-vars.ts'
import { createStore } from './store.ts'
import { createVault } from './vault.ts'

const canary = 'canary-5f1e-value'

/** A home as NodePilot left it before config vars were sealed: schema 6, everything in plain text. */
function oldHome(file: string): void {
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  const directory = new URL('./migrations/', import.meta.url)
  for (const name of readdirSync(directory).sort()) {
    if (Number(name.slice(0, 3)) <= 6) db.exec(readFileSync(new URL(name, directory), 'utf8'))
  }
  db.pragma('user_version = 6')
  const vars = JSON.stringify({ TOKEN: canary, NAME: 'shop' })
  const project = db.prepare(
    "INSERT INTO projects (name, display_name, path, start_command, env_vars, pm2_name) VALUES (?, '', '/', '', ?, '')",
  )
  for (const name of ['shop', 'blog', 'gone']) project.run(name, name === 'blog' ? null : vars)
  const release = db.prepare(`
    INSERT INTO releases (project_id, number, deployment, slug, source_kind, revision, command, env_vars, created_at)
    VALUES (1, ?, 1, 1, 'git', '', '', ?, '')`)
  for (let number = 1; number <= 450; number++) release.run(number, vars)
  db.prepare("DELETE FROM projects WHERE name = 'gone'").run()
  db.close()
}

function holdsCanary(home: string): string[] {
  return readdirSync(home).filter((name) => readFileSync(path.join(home, name)).includes(canary))
}

test('what an older NodePilot stored in plain text is sealed at the start, and nothing of it stays in the files', async () => {
  const home = await temporaryDirectory('seal')
  const file = path.join(home, 'nodepilot.db')
  try {
    oldHome(file)
    assert.deepEqual(holdsCanary(home), ['nodepilot.db'])
    const db = openDatabase(file)
    const vault = createVault(openKeyRing(path.join(home, 'keys'), Date.now))
    sealPlainVars(db, vault)
    const store = createStore(db, Date.now, vault)
    assert.deepEqual(
      readdirSync(home)
        .filter((name) => name !== 'keys')
        .filter((name) => readFileSync(path.join(home, name)).includes(canary)),
      [],
      'while the server runs',
    )
    assert.deepEqual(store.projects.find('shop')?.envVars, { TOKEN: canary, NAME: 'shop' })
    assert.deepEqual(store.projects.find('blog')?.envVars, {})
    assert.equal(store.releases.find(1, 450)?.envVars.TOKEN, canary)
    assert.equal(store.settings.get('config-vars-plain'), null)
    db.close()
  } finally {
    await removeDirectory(home)
  }
})

test('a start that is killed while it seals is carried on by the next one, however far it had come', async () => {
  const home = await temporaryDirectory('seal')
  const file = path.join(home, 'nodepilot.db')
  try {
    oldHome(file)
    const vault = createVault(openKeyRing(path.join(home, 'keys'), Date.now))
    // every row that is sealed is one step; the fault comes one step later at each start
    for (const step of [1, 2, 200, 201, 410]) {
      let calls = 0
      const faulty = {
        ...vault,
        renew(projectId: number, text: string) {
          if (++calls > step) throw new Error('killed')
          return vault.renew(projectId, text)
        },
      }
      const db = openDatabase(file)
      assert.throws(() => sealPlainVars(db, faulty), /killed/)
      assert.equal(createStore(db, Date.now, vault).projects.find('shop')?.envVars.TOKEN, canary)
      db.close()
    }
    const db = openDatabase(file)
    const stopped = new Error('killed before the log was emptied')
    const pragma = db.pragma.bind(db)
    db.pragma = () => {
      throw stopped
    }
    assert.throws(() => sealPlainVars(db, vault), stopped)
    db.pragma = pragma
    sealPlainVars(db, vault)
    assert.equal(createStore(db, Date.now, vault).releases.find(1, 1)?.envVars.TOKEN, canary)
    db.close()
    const left = readdirSync(home).filter((name) => name !== 'keys')
    assert.deepEqual(
      left.filter((name) => readFileSync(path.join(home, name)).includes(canary)),
      [],
    )
  } finally {
    await removeDirectory(home)
  }
})

test('a new key seals everything anew, also when that was cut off, and then the old one is not needed', async () => {
  const home = await temporaryDirectory('rotate')
  const [file, keys] = [path.join(home, 'nodepilot.db'), path.join(home, 'keys')]
  try {
    oldHome(file)
    const db = openDatabase(file)
    const ring = openKeyRing(keys, Date.now)
    const vault = createVault(ring)
    sealPlainVars(db, vault)
    let calls = 0
    const faulty = {
      ...vault,
      renew(projectId: number, text: string) {
        if (++calls > 250) throw new Error('killed')
        return vault.renew(projectId, text)
      },
    }
    const addKey = () => ring.add(makeKey(keys, Date.now))
    await assert.rejects(rotateKey(db, faulty, addKey), /killed/)
    const store = createStore(db, Date.now, vault)
    assert.equal(store.releases.find(1, 1)?.envVars.TOKEN, canary)
    assert.equal(store.releases.find(1, 450)?.envVars.TOKEN, canary)
    assert.equal(await finishRotation(db, vault), 250, 'the pages that were not committed yet')
    assert.equal(await finishRotation(db, vault), 0)
    const newest = keyRing([ring.current()].flatMap((key) => key ?? []))
    const alone = createStore(db, Date.now, createVault(newest))
    assert.equal(alone.projects.find('shop')?.envVars.TOKEN, canary)
    for (const number of [1, 200, 450]) assert.equal(alone.releases.find(1, number)?.envVars.TOKEN, canary)
    db.close()
  } finally {
    await removeDirectory(home)
  }
})
