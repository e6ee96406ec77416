import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { plainPlan } from '../domain/release-plan.ts'
import { checkDatabase, migrate, openDatabase } from './database.ts'
import type { InstanceRow } from './instances.ts'
import { keyRing } from './key-ring.ts'
import { createStore, type Store } from './store.ts'
import { createVault } from './vault.ts'

function createRig() {
  const time = { now: Date.UTC(2026, 0, 1) }
  const db = openDatabase(':memory:')
  const key = { id: 'k'.repeat(12), secret: randomBytes(32) }
  const store = createStore(db, () => time.now, createVault(keyRing([key])))
  return { db, store, time, shop: addProject(store, 'shop'), blog: addProject(store, 'blog') }
}

const addProject = (store: Store, name: string) =>
  store.projects.create({ name, displayName: name, path: '/', startCommand: '', port: null, envVars: {} })

const row = (over: Partial<InstanceRow>): InstanceRow => ({
  projectId: 1,
  release: 1,
  type: 'web',
  position: 1,
  generation: 1,
  slug: 1,
  port: null,
  state: 'candidate',
  ...over,
})

const git = { kind: 'git' as const, revision: 'a'.repeat(40), message: null }

test('a new database has the newest schema, and opening it again changes nothing', async () => {
  const directory = await temporaryDirectory('store')
  try {
    const file = path.join(directory, 'nodepilot.db')
    const first = openDatabase(file)
    const version = first.pragma('user_version', { simple: true })
    addProject(createStore(first, Date.now), 'shop')
    for (const name of await readdir(directory)) {
      assert.equal((await stat(path.join(directory, name))).mode & 0o777, 0o600, name)
    }
    first.close()
    const again = openDatabase(file)
    assert.equal(again.pragma('user_version', { simple: true }), version)
    assert.equal(createStore(again, Date.now).projects.find('shop')?.name, 'shop')
    again.close()
  } finally {
    await removeDirectory(directory)
  }
})

test('a database of a newer NodePilot is refused, not guessed at', () => {
  const { db } = createRig()
  db.pragma('user_version = 999')
  assert.throws(() => migrate(db), /of a newer NodePilot \(schema 999/)
})

test('the first three tables keep their names and columns', () => {
  const { db } = createRig()
  const columns = (table: string) =>
    (db.pragma(`table_info(${table})`) as { name: string }[]).map(({ name }) => name)
  const has = (table: string, names: string) => {
    for (const name of names.split(' ')) assert.ok(columns(table).includes(name), `${table}.${name}`)
  }
  has('users', 'id username password created_at')
  has(
    'projects',
    'id name display_name path start_command port env_vars pm2_name status created_at updated_at',
  )
  has('deployments', 'id project_id version deployed_at status notes')
})

test('a commit survives a power cut, readers never wait, and references hold', async () => {
  const directory = await temporaryDirectory('store')
  try {
    const db = openDatabase(path.join(directory, 'nodepilot.db'))
    assert.equal(db.pragma('journal_mode', { simple: true }), 'wal')
    assert.equal(db.pragma('synchronous', { simple: true }), 2)
    assert.equal(db.pragma('foreign_keys', { simple: true }), 1)
    assert.equal(checkDatabase(db), true)
    db.close()
    assert.equal(checkDatabase(db), false)
  } finally {
    await removeDirectory(directory)
  }
})

test('a port belongs to one instance of all projects', () => {
  const { store, shop, blog } = createRig()
  store.instances.create(row({ projectId: shop.id, port: 20_007 }))
  const taken = row({ projectId: blog.id, generation: 2, port: 20_007 })
  assert.throws(() => store.instances.create(taken), { code: 'SQLITE_CONSTRAINT_UNIQUE' })
  assert.equal(store.instances.portTaken(20_007), true)
  store.instances.remove(shop.id, { type: 'web', generation: 1 }, [1])
  assert.equal(store.instances.portTaken(20_007), false)
  store.instances.create(taken)
  store.instances.create(row({ projectId: blog.id, generation: 3 }))
  store.instances.create(row({ projectId: blog.id, generation: 4 }))
})

test('promoting a generation retires what served so far, of this project alone', () => {
  const { store, shop, blog } = createRig()
  store.instances.create(row({ projectId: shop.id, generation: 1, state: 'serving' }))
  store.instances.create(row({ projectId: shop.id, generation: 2, state: 'candidate' }))
  store.instances.create(row({ projectId: shop.id, generation: 3, state: 'candidate' }))
  store.instances.create(row({ projectId: blog.id, generation: 1, state: 'serving' }))
  store.instances.promote(shop.id, 2)
  const states = (id: number) => store.instances.ofProject(id).map(({ state }) => state)
  assert.deepEqual(states(shop.id), ['retiring', 'serving', 'candidate'])
  assert.deepEqual(states(blog.id), ['serving'])
  store.instances.retire(shop.id, { type: 'web', generation: 3 }, [1])
  store.instances.retireAll(shop.id)
  assert.deepEqual(states(shop.id), ['retiring', 'retiring', 'retiring'])
})

test('deployment numbers and counters rise by one and are never given twice, also after a failure', () => {
  const { store, shop, blog } = createRig()
  assert.equal(store.projects.takeDeploymentNumber(shop.id), 1)
  assert.equal(store.projects.takeDeploymentNumber(shop.id), 2)
  assert.equal(store.projects.takeDeploymentNumber(blog.id), 1)
  assert.deepEqual([store.settings.next('generation'), store.settings.next('generation')], [1, 2])
  assert.equal(store.settings.next('routes'), 1)
})

test('a transaction that throws changes nothing', () => {
  const { store, shop } = createRig()
  assert.throws(
    () =>
      store.transaction(() => {
        store.projects.takeDeploymentNumber(shop.id)
        store.projects.update(shop.id, { status: 'running' })
        throw new Error('no')
      }),
    /no/,
  )
  assert.equal(store.projects.find('shop')?.status, 'stopped')
  assert.equal(store.projects.takeDeploymentNumber(shop.id), 1)
})

test('a change of a project touches what it names and its time, and nothing else', () => {
  const { store, shop, time } = createRig()
  time.now += 1_000
  store.projects.update(shop.id, { healthPath: '/up', privateModules: true, envVars: { A: '1' }, port: null })
  const { updatedAt, ...changed } = store.projects.find(shop.id) ?? assert.fail()
  assert.equal(updatedAt, '2026-01-01T00:00:01.000Z')
  const { updatedAt: _before, ...before } = shop
  assert.deepEqual(changed, {
    ...before,
    healthPath: '/up',
    privateModules: true,
    envVars: { A: '1' },
    readableVars: { A: '1' },
  })
  time.now += 1_000
  store.projects.update(shop.id, {})
  assert.equal(store.projects.find(shop.id)?.updatedAt, updatedAt)
})

test('a project is found by its name and by its number', () => {
  const { store, shop } = createRig()
  assert.equal(store.projects.find(String(shop.id))?.name, 'shop')
  assert.equal(store.projects.find(shop.id)?.name, 'shop')
  assert.equal(store.projects.find('nobody'), null)
  assert.deepEqual(
    store.projects.list().map(({ name }) => name),
    ['blog', 'shop'],
  )
})

test('a deployment ends with its outcome, and a step under way fails with it', () => {
  const { store, shop } = createRig()
  const id = store.deployments.create({ projectId: shop.id, number: 1, source: git, by: 'ada' })
  store.deployments.putStep(id, 1, { name: 'Install', status: 'running', ms: null, note: 'npm ci' })
  store.deployments.putStep(id, 0, { name: 'Receive', status: 'done', ms: 3, note: '' })
  assert.equal(store.deployments.isBusy(shop.id), true)
  const error = { code: 'install_failed', message: 'no', hint: null }
  store.deployments.finish(id, { status: 'failed', error })
  const deployment = store.deployments.find(shop.id, 1)
  assert.deepEqual(deployment?.error, error)
  assert.deepEqual(
    deployment?.steps.map(({ name, status }) => `${name} ${status}`),
    ['Receive done', 'Install failed'],
  )
  assert.equal(store.deployments.isBusy(shop.id), false)
  assert.deepEqual(store.deployments.unfinished(), [])
})

test('one deployment is live; the one before is retired', () => {
  const { store, shop, blog } = createRig()
  for (const [projectId, number] of [
    [shop.id, 1],
    [blog.id, 1],
    [shop.id, 2],
  ] as const) {
    const id = store.deployments.create({ projectId, number, source: git, by: 'ada' })
    store.transaction(() => {
      store.deployments.retireLive(projectId)
      store.deployments.finish(id, { status: 'live', release: number })
    })
  }
  assert.deepEqual(
    store.deployments.list(shop.id).map(({ number, status, release }) => [number, status, release]),
    [
      [2, 'live', 2],
      [1, 'retired', 1],
    ],
  )
  assert.equal(store.deployments.find(blog.id, 1)?.status, 'live')
})

test('deployments are paged, newest first', () => {
  const { store, shop } = createRig()
  for (let number = 1; number <= 5; number++) {
    store.deployments.create({ projectId: shop.id, number, source: git, by: 'ada' })
  }
  const page = (before?: number) =>
    store.deployments
      .list(shop.id, before === undefined ? { limit: 2 } : { limit: 2, before })
      .map(({ number }) => number)
  assert.deepEqual([page(), page(4), page(2)], [[5, 4], [3, 2], [1]])
})

test('a release is never written twice, and pruning a slug is noted for all that used it', () => {
  const { store, shop } = createRig()
  assert.equal(store.releases.next(shop.id), 1)
  const commands = { command: 'node .', workers: { clock: 'node clock.js' } }
  const release = {
    projectId: shop.id,
    deployment: 1,
    source: git,
    ...commands,
    envVars: { A: '1' },
    plan: plainPlan,
  }
  store.releases.create({ ...release, number: 1, slug: 1 })
  store.releases.create({ ...release, number: 2, slug: 2 })
  store.releases.create({ ...release, number: 3, slug: 1 })
  assert.throws(() => store.releases.create({ ...release, number: 3, slug: 3 }))
  assert.equal(store.releases.next(shop.id), 4)
  store.releases.markPruned(shop.id, 1)
  assert.deepEqual(
    store.releases.list(shop.id).map(({ number, prunedAt }) => [number, prunedAt !== null]),
    [
      [3, true],
      [2, false],
      [1, true],
    ],
  )
  assert.deepEqual(
    store.releases.kept(shop.id).map(({ number }) => number),
    [2],
  )
  assert.deepEqual([store.releases.before(shop.id, 2)?.number, store.releases.before(shop.id, 1)], [3, null])
  assert.deepEqual(store.releases.find(shop.id, 2)?.envVars, { A: '1' })
  assert.deepEqual(store.releases.find(shop.id, 2)?.workers, { clock: 'node clock.js' })
  assert.deepEqual(store.releases.how(shop.id, 2).types, ['web', 'clock'])
  assert.deepEqual(store.releases.how(shop.id, null).types, ['web'])
  store.projects.update(shop.id, { currentRelease: 2 })
  assert.deepEqual(store.releases.currentOnes().get(shop.id)?.types, ['web', 'clock'])
})

test('everything of a project goes with its row', () => {
  const { db, store, shop } = createRig()
  const id = store.deployments.create({ projectId: shop.id, number: 1, source: git, by: 'ada' })
  store.deployments.putStep(id, 0, { name: 'Receive', status: 'done', ms: 1, note: '' })
  store.instances.create(row({ projectId: shop.id }))
  const release = { projectId: shop.id, number: 1, slug: 1, deployment: 1, source: git }
  store.releases.create({ ...release, command: '', workers: {}, envVars: {}, plan: plainPlan })
  store.projects.remove(shop.id)
  for (const table of ['deployments', 'deployment_steps', 'releases', 'instances']) {
    assert.equal(db.prepare(`SELECT count(*) FROM ${table}`).pluck().get(), 0, table)
  }
  assert.equal(addProject(store, 'shop').id, 3, 'numbers of projects are not used again')
})

test('small facts are kept by key, and found by the beginning of it', () => {
  const { store } = createRig()
  store.settings.set('deleting:a_b', 'yes')
  store.settings.set('deleting:c', 'yes')
  store.settings.set('deletingXd', 'no')
  assert.deepEqual(store.settings.keys('deleting:').sort(), ['deleting:a_b', 'deleting:c'])
  store.settings.set('port', '1')
  store.settings.set('port', '2')
  assert.equal(store.settings.get('port'), '2')
  store.settings.remove('port')
  assert.equal(store.settings.get('port'), null)
})

test('a page of the deployments of all projects comes from an index, with its steps, and goes on at a cursor', async () => {
  const home = await temporaryDirectory('pages')
  const db = openDatabase(`${home}/db`)
  const store = createStore(db, Date.now)
  const source = { kind: 'git', revision: 'a'.repeat(40), message: null } as const
  const ids = ['one', 'two', 'three'].map((name) => {
    const row = { displayName: name, path: '/', startCommand: '', port: null, envVars: {} }
    return store.projects.create({ name, ...row }).id
  })
  for (let number = 1; number <= 4; number++) {
    for (const projectId of ids) {
      const id = store.deployments.create({ projectId, number, source, by: 'ada' })
      store.deployments.putStep(id, 0, { name: 'Build', status: 'done', ms: number, note: '' })
      store.deployments.finish(id, { status: number === 2 ? 'failed' : 'retired' })
    }
  }
  const first = store.deployments.listAll({ projects: null, limit: 5 })
  const rest = store.deployments.listAll({ projects: null, limit: 50, before: first.at(-1)?.id })
  assert.deepEqual([first.length, rest.length], [5, 7])
  assert.ok(first.every(({ steps, number }) => steps.length === 1 && steps[0]?.ms === number))
  assert.equal(new Set([...first, ...rest].map(({ id }) => id)).size, 12)
  const failed = store.deployments.listAll({ projects: ids.slice(1), status: 'failed', limit: 50 })
  assert.deepEqual(
    failed.map(({ projectId, number }) => [projectId, number]),
    [
      [ids[2], 2],
      [ids[1], 2],
    ],
  )
  assert.deepEqual(store.deployments.listAll({ projects: [], limit: 50 }), [])
  assert.deepEqual(store.deployments.counts()[0], { project: 'one', status: 'failed', count: 1 })
  for (const where of ['id < 9', "status = 'failed' AND id < 9", "status IN ('queued', 'running')"]) {
    const plan = db
      .prepare(`EXPLAIN QUERY PLAN SELECT * FROM deployments WHERE ${where} ORDER BY id DESC`)
      .all()
    assert.doesNotMatch(JSON.stringify(plan), /SCAN deployments/, where)
  }
  db.close()
  await removeDirectory(home)
})
