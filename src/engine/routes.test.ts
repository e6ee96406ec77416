import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryRouter } from './drivers/memory-router.ts'
import { createPaths } from './paths.ts'
import type { RouteTable } from './ports.ts'
import { createRoutes } from './routes.ts'
import { openDatabase } from './store/database.ts'
import { createStore } from './store/store.ts'

const paths = createPaths('/home')

function createRig() {
  const store = createStore(openDatabase(':memory:'), Date.now)
  const router = createMemoryRouter()
  const base = { path: '/', startCommand: '', port: null, envVars: {} }
  const add = (name: string) => store.projects.create({ ...base, name, displayName: name })
  return { store, router, add, routes: createRoutes({ store, router, paths, baseDomain: 'example.com' }) }
}

test('a project answers at its name, with what serves and nothing else', async () => {
  const { store, router, routes, add } = createRig()
  const { id } = add('shop')
  const row = { projectId: id, release: 1, position: 1, slug: 1, type: 'web' }
  store.instances.create({ ...row, generation: 1, port: 20_001, state: 'retiring' })
  store.instances.create({ ...row, generation: 2, port: 20_002, state: 'serving' })
  store.instances.create({ ...row, generation: 3, port: 20_003, state: 'candidate' })
  store.instances.create({ ...row, generation: 2, type: 'worker', port: null, state: 'serving' })
  store.projects.update(id, { status: 'running', currentRelease: 1 })
  await routes.apply()
  assert.deepEqual(router.table(), {
    version: 1,
    baseDomain: 'example.com',
    routes: [
      {
        hosts: ['shop.example.com'],
        project: 'shop',
        release: 1,
        state: 'running',
        endpoints: [{ host: '127.0.0.1', port: 20_002 }],
      },
    ],
  })
})

test('instances of a sticky project have names for cookies, which stay with their number and say nothing', async () => {
  const { store, router, routes, add } = createRig()
  const { id } = add('shop')
  const row = { projectId: id, release: 1, slug: 1, type: 'web', state: 'serving' } as const
  store.projects.update(id, { status: 'running', currentRelease: 1, settings: { sticky: true } })
  const tagsOf = async (generation: number, firstPort: number) => {
    for (const position of [1, 2]) {
      store.instances.create({ ...row, generation, position, port: firstPort + position })
    }
    await routes.apply()
    const route = router.route('shop.example.com')
    assert.equal(route?.sticky, true)
    store.instances.remove(id, { type: 'web', generation }, [1, 2])
    return route.endpoints.map(({ tag }) => tag)
  }
  const tags = await tagsOf(1, 20_000)
  assert.equal(new Set(tags).size, 2)
  for (const tag of tags) assert.match(tag ?? '', /^[\w-]{16}$/)
  assert.deepEqual(await tagsOf(2, 30_000), tags)
})

test('a project without a release is stopped for the front door', async () => {
  const { router, routes, add } = createRig()
  add('shop')
  await routes.apply()
  assert.deepEqual(router.route('shop.example.com')?.state, 'stopped')
})

test('tables go out one at a time with rising numbers, each as the database is when it goes', async () => {
  const { store, router, add } = createRig()
  const sent: RouteTable[] = []
  let underWay = 0
  const slow = {
    ...router,
    apply: async (table: RouteTable) => {
      assert.equal(++underWay, 1)
      await new Promise((resolve) => setImmediate(resolve))
      sent.push(table)
      underWay--
    },
  }
  const routes = createRoutes({ store, router: slow, paths, baseDomain: 'localhost' })
  const first = routes.apply()
  add('shop')
  await Promise.all([first, routes.apply(), routes.apply()])
  assert.deepEqual(
    sent.map(({ version }) => version),
    [1, 2, 3],
  )
  assert.equal(sent.at(-1)?.routes.length, 1)
})

test('a front door that refuses once does not stop the next table', async () => {
  const { router, routes } = createRig()
  router.fail('gone')
  const refused = assert.rejects(routes.apply(), /gone/)
  await refused
  router.fail(undefined)
  await routes.apply()
  assert.equal(router.table()?.version, 2)
})

test('pages of many projects in maintenance never keep the table out: beyond 2 MB there is a plain one', async () => {
  const { store, router, routes, add } = createRig()
  const maintenancePage = '\u0001'.repeat(65_536)
  for (let n = 10; n < 60; n++) {
    const { id } = add(`shop-${n}`)
    store.projects.update(id, { settings: { maintenance: true, maintenancePage, maintenanceAllow: ['::1'] } })
  }
  await routes.apply()
  const pages = router.table()?.routes.map(({ maintenance }) => maintenance?.page ?? null) ?? []
  assert.equal(pages.filter((page) => page === maintenancePage).length, 5)
  assert.equal(pages.filter((page) => page === null).length, 45)
  assert.ok(router.table()?.routes.every(({ maintenance }) => maintenance?.allow.length === 1))
  assert.ok(JSON.stringify(router.table()).length < 2_100_000)
})
