import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { createMemoryRouter } from '../drivers/memory-router.ts'
import { createMemoryRuntime } from '../drivers/memory-runtime.ts'
import { createPaths } from '../paths.ts'
import type { GroupSpec } from '../ports.ts'
import { openDatabase } from '../store/database.ts'
import { machineSubject } from '../store/metrics.ts'
import { createStore } from '../store/store.ts'
import { fineMs, History } from './history.ts'
import { createMetrics } from './metrics.ts'
import { emptyProjectPoint } from './point.ts'
import { watchRuntime } from './watched-runtime.ts'

const start = Date.UTC(2026, 2, 1, 12, 0, 0)
const group: GroupSpec = {
  project: 'shop',
  type: 'web',
  release: 1,
  generation: 1,
  cwd: '/',
  command: 'true',
  instances: [{ index: 1, port: null, env: {} }],
  logDirectory: '/',
  graceMs: 0,
}

test('what was counted between two looks shows in the step of the second one', async (t) => {
  const lab = await metricsLab(t)
  await lab.runtime.start(group)
  await lab.step(0)
  for (const status of [200, 200, 404, 500]) lab.router.count('shop.localhost', { status, ms: 40 })
  await lab.step(10)
  await lab.step(10)
  const { series, times, stepMs } = lab.metrics.project(lab.shop, '1h')
  assert.deepEqual([times.length, stepMs, times.at(-1)], [360, 10_000, '2026-03-01T12:00:20.000Z'])
  const last = Object.entries(series).map(([name, values]) => [name, values.slice(-3)])
  assert.deepEqual(Object.fromEntries(last), {
    cpu: [0, 0, 0],
    memoryBytes: [50_000_000, 50_000_000, 50_000_000],
    requests: [null, 4, 0],
    errors: [null, 1, 0],
    p50Ms: [null, 41.65, null],
    p95Ms: [null, 44.89, null],
    p99Ms: [null, 45.18, null],
    restarts: [0, 0, 0],
  })
  for (const values of Object.values(series)) {
    assert.equal(values.length, 360)
    assert.ok(values.slice(0, -3).every((value) => value === null))
  }
  assert.deepEqual(lab.metrics.now(lab.shop), {
    cpu: 0,
    memoryBytes: 50_000_000,
    requestsPerMinute: 4,
  })
})

test('a front door that was started again begins at 0, and nothing is counted twice', async (t) => {
  const lab = await metricsLab(t)
  await lab.step(0)
  lab.router.count('shop.localhost')
  await lab.step(10)
  lab.router.fail('gone')
  await lab.step(10)
  lab.router.fail(undefined)
  lab.router.count('shop.localhost')
  await lab.step(10)
  assert.deepEqual(lab.metrics.project(lab.shop, '1h').series.requests.slice(-4), [null, 1, null, 1])
})

test('after a start the last hour is there again, and goes on', async (t) => {
  const lab = await metricsLab(t)
  await lab.runtime.start(group)
  await lab.step(0)
  for (let n = 0; n < 13; n++) {
    lab.router.count('shop.localhost', { ms: 100 })
    await lab.step(10)
  }
  const before = lab.metrics.project(lab.shop, '1h').series
  lab.metrics.save()
  const metrics = lab.again()
  const after = metrics.project(lab.shop, '1h').series
  assert.equal(sum(before.requests), 13)
  assert.equal(sum(after.requests), 13)
  assert.ok(after.requests.every((count) => count === null || Number.isInteger(count)))
  assert.deepEqual(after.memoryBytes.slice(-13), Array(13).fill(50_000_000))
  const p95 = after.p95Ms.filter((value) => value !== null)
  assert.ok(p95.length >= 12 && p95.every((ms) => ms > 90 && ms < 115), String(p95))
  await lab.step(10, metrics)
  lab.router.count('shop.localhost')
  await lab.step(10, metrics)
  assert.equal(sum(metrics.project(lab.shop, '1h').series.requests), 14)
})

test('a day and a week add up what the minutes counted, saved or not', async (t) => {
  const lab = await metricsLab(t)
  await lab.step(0)
  for (let minute = 0; minute < 90; minute++) {
    lab.router.count('shop.localhost')
    await lab.step(60)
  }
  for (const [range, count, stepMs] of [
    ['24h', 288, 300_000],
    ['7d', 336, 1_800_000],
  ] as const) {
    const shown = lab.metrics.project(lab.shop, range)
    assert.deepEqual([shown.times.length, shown.stepMs], [count, stepMs])
    const found = shown.series.requests.filter((requests) => requests !== null)
    assert.equal(sum(found), 90, range)
    assert.ok(
      found.slice(1, -1).every((n) => n === stepMs / 60_000),
      String(found),
    )
  }
})

test('what is older than a range is removed', async (t) => {
  const lab = await metricsLab(t)
  await lab.step(0)
  await lab.step(60)
  const rows = (step: number) => lab.store.metrics.since(lab.shop.id, step, 0).length
  assert.deepEqual([rows(60) > 0, rows(600)], [true, 1])
  await lab.step(26 * 3600)
  await lab.step(60)
  assert.ok(lab.store.metrics.since(lab.shop.id, 60, 0).every(({ at }) => at * 1000 > start + 3_600_000))
  assert.equal(rows(600), 2)
  await lab.step(9 * 86_400)
  await lab.step(60)
  assert.ok(
    lab.store.metrics.since(lab.shop.id, 600, 0).every(({ at }) => at * 1000 > start + 86_400_000 * 2),
  )
})

test('a removed project leaves no points behind, though some were not saved yet', async (t) => {
  const lab = await metricsLab(t)
  await lab.step(0)
  await lab.step(60)
  await lab.step(10)
  lab.store.projects.remove(lab.shop.id)
  lab.metrics.save()
  assert.deepEqual(lab.store.metrics.since(lab.shop.id, 60, 0), [])
  assert.ok(lab.store.metrics.since(machineSubject, 60, 0).length > 0)
})

test('starts again are counted, those of before the first look are not', async (t) => {
  const lab = await metricsLab(t)
  await lab.runtime.start(group)
  await lab.memory.crash(group, 1, { code: 1 })
  await lab.step(0)
  await lab.memory.crash(group, 1, { code: 1 })
  await lab.memory.crash(group, 1, { code: 1 })
  await lab.step(10)
  await lab.runtime.start({ ...group, generation: 2 })
  await lab.step(10)
  assert.deepEqual(lab.metrics.project(lab.shop, '1h').series.restarts.slice(-3), [0, 2, 0])
})

test('a clock that was wrong for a moment fills no memory, and what follows is written down', async (t) => {
  const lab = await metricsLab(t)
  await lab.step(0)
  await lab.step(365 * 86_400)
  await lab.step(-365 * 86_400)
  const history = new History(lab.store, lab.shop.id, emptyProjectPoint, start)
  history.add(start + 365 * 86_400_000, emptyProjectPoint)
  for (let n = 0; n < 1_000; n++) history.add(start + n * fineMs, emptyProjectPoint)
  assert.ok(history.since(0).length <= 361, `${history.since(0).length} points`)
  lab.router.count('shop.localhost')
  await lab.step(10)
  await lab.step(60)
  const rows = lab.store.metrics.since(lab.shop.id, 60, start / 1000)
  assert.ok(
    rows.some(({ at, point }) => at === start / 1000 && point.includes('"requests":1')),
    'saved',
  )
})

test('a disk that is full when the server ends is told, and holds nothing up', async (t) => {
  const lab = await metricsLab(t)
  lab.metrics.start()
  await lab.step(10)
  lab.expectErrors()
  lab.db.exec('DROP TABLE metrics')
  await lab.metrics.stop()
  assert.match(lab.errors.join(), /what was measured/)
})

test('the machine is measured too', async (t) => {
  const lab = await metricsLab(t)
  assert.equal(lab.metrics.machineNow(), null)
  await lab.step(0)
  await lab.step(10)
  const now = lab.metrics.machineNow()
  assert.ok(now && now.memory.usedBytes > 0 && now.memory.usedBytes < now.memory.totalBytes)
  assert.ok(now.disk.totalBytes > now.disk.usedBytes && now.disk.freeBytes > 0)
  const { series } = lab.metrics.machineSeries('1h')
  for (const [name, values] of Object.entries(series)) {
    assert.ok((values.at(-1) ?? -1) >= 0, name)
    assert.equal(values[0], null)
  }
  assert.ok((series.memoryBytes.at(-1) ?? 0) > 0)
})

function sum(values: readonly (number | null)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0)
}

async function metricsLab(t: TestContext) {
  const home = await temporaryDirectory('metrics')
  const db = openDatabase(`${home}/db`)
  const time = { now: start }
  const clock = () => time.now
  const store = createStore(db, clock)
  const router = createMemoryRouter()
  const memory = createMemoryRuntime({ now: clock })
  await memory.connect()
  const errors: string[] = []
  let expected = false
  const report = {
    info: () => {},
    error: (line: string, error: unknown) =>
      expected ? void errors.push(line) : assert.fail(`${line} ${error}`),
  }
  const watch = watchRuntime({ ...memory, forget: async () => {} }, { clock, report })
  const ownProcesses = async () => [{ name: 'server' as const, pid: process.pid, restarts: 0 }]
  const deps = { store, watch, router, clock, report, paths: createPaths(home), ownProcesses }
  const row = { displayName: 'Shop', path: home, startCommand: '', port: null, envVars: {} }
  const shop = store.projects.create({ name: 'shop', ...row })
  const endpoints = [{ host: '127.0.0.1', port: 1 }]
  const route = {
    hosts: ['shop.localhost'],
    project: 'shop',
    release: 1,
    state: 'running' as const,
    endpoints,
  }
  await router.apply({ version: 1, baseDomain: 'localhost', routes: [route] })
  const metrics = createMetrics(deps)
  t.after(async () => {
    db.close()
    await removeDirectory(home)
  })
  return {
    metrics,
    memory,
    db,
    store,
    errors,
    expectErrors() {
      expected = true
    },
    router,
    shop,
    runtime: watch.runtime,
    /** Another server on the same database. */
    again: () => createMetrics(deps),
    async step(seconds: number, of = metrics) {
      time.now += seconds * 1000
      await of.sample()
    },
  }
}
