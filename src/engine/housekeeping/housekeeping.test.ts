import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { ada, createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'
import { isRefusal } from '../domain/refusal.ts'
import { createEngine, type EngineDeps } from '../engine.ts'
import type { ProjectRow } from '../store/projects.ts'
import { DeploymentFailed } from '../use-cases/deployment-failed.ts'

const dayMs = 86_400_000
let lab: Lab
let shop: ProjectRow

beforeEach(async () => {
  lab = await createLab()
  shop = await lab.project()
})
afterEach(() => lab.close())

/** An engine on the same home with other settings, and its clock so many days ahead. */
async function later(
  days: number,
  keeping: Partial<EngineDeps['keeping']> = {},
  deps: Partial<EngineDeps> = {},
) {
  await lab.settled()
  const clock = () => Date.now() + days * dayMs
  return createEngine({ ...lab.deps, clock, keeping: { ...lab.deps.keeping, ...keeping }, ...deps })
}

async function file(...parts: string[]): Promise<string> {
  const place = path.join(...parts)
  await mkdir(path.dirname(place), { recursive: true })
  await writeFile(place, 'x'.repeat(5_000))
  return place
}

test('releases that are old go, but the live one and one to roll back to stay', async () => {
  for (const letter of ['a', 'b', 'c', 'd']) await lab.deploy(shop, lab.commit(revisionOf(letter)))
  const young = await later(10, { releaseMs: 90 * dayMs })
  assert.deepEqual((await young.disk.clean(ada)).removed, [])
  const engine = await later(100, { releaseMs: 90 * dayMs, deploymentLogMs: 365 * dayMs })
  const { removed } = await engine.disk.clean(ada)
  assert.deepEqual(removed, [{ what: 'releases', count: 2 }])
  assert.deepEqual(await lab.releasesOnDisk('shop'), ['3', '4'])
  await engine.releases.rollback(engine.projects.get('shop'), {}, { who: ada })
  await engine.close()
})

test('logs of deployments go by number and age, never that of a kept release; the deployment itself stays', async () => {
  for (const letter of ['a', 'b', 'c']) await lab.deploy(shop, lab.commit(revisionOf(letter)))
  lab.faults.install = async () => {
    throw new Error('no')
  }
  for (const letter of ['d', 'e', 'f']) {
    await assert.rejects(lab.deploy(shop, lab.commit(revisionOf(letter))), DeploymentFailed)
  }
  const project = lab.engine.projects.get('shop')
  const engine = await later(0, { deploymentLogs: 2 })
  assert.deepEqual((await engine.disk.clean(ada)).removed, [{ what: 'deployment logs', count: 1 }])
  const gone = engine.deployments.find(project, 4)
  assert.equal(gone.status, 'failed')
  assert.throws(
    () => engine.deployments.requireLog(project, gone),
    (error) => isRefusal(error, 'gone') && /deployment 4/.test(error.message),
  )
  engine.deployments.requireLog(project, engine.deployments.find(project, 5))
  await engine.close()
  const muchLater = await later(91)
  assert.deepEqual((await muchLater.disk.clean(ada)).removed, [{ what: 'deployment logs', count: 2 }])
  const left = await readdir(path.dirname(lab.paths.deploymentLog('shop', 1)))
  assert.deepEqual(left.sort(), ['1.log', '2.log', '3.log'])
  await muchLater.close()
})

test('caches over their size begin anew, and stay while something is built', async () => {
  const cached = await file(lab.paths.cache, 'npm', 'x')
  const tool = await file(lab.paths.buildHome('shop'), '.cache', 'x')
  let building = () => {}
  const begun = new Promise<void>((resolve) => (building = resolve))
  let letGo = () => {}
  lab.faults.install = () => {
    building()
    return new Promise((resolve) => (letGo = resolve))
  }
  const small = { npmCacheBytes: 100, buildHomeBytes: 100 }
  const engine = await later(0, small)
  const source = lab.commit(revisionOf('a'))
  const proving = engine.deployments.provePush({
    project: shop,
    source,
    who: ada,
    check: async () => {},
    onLive: () => {},
  })
  await begun
  assert.deepEqual((await engine.disk.clean(ada)).removed, [])
  assert.ok(existsSync(cached) && existsSync(tool))
  letGo()
  await (await proving).goLive()
  const { removed } = await engine.disk.clean(ada)
  assert.deepEqual(removed.map(({ what }) => what).sort(), ['caches of builds', 'npm cache'])
  assert.ok(!existsSync(cached) && !existsSync(tool))
  assert.deepEqual(
    (await readdir(lab.paths.cache)).filter((name) => name.startsWith('.old-')),
    [],
  )
  await engine.close()
})

test('half-made things of yesterday go, those of today may be under way', async () => {
  const old = await file(lab.paths.repositories, '.new-shop-1', 'HEAD')
  const young = await file(lab.paths.repositories, '.removed-2', 'HEAD')
  const upload = await file(lab.paths.uploads, 'x')
  const yesterday = new Date(Date.now() - 2 * dayMs)
  for (const place of [path.dirname(old), upload]) await utimes(place, yesterday, yesterday)
  const { removed } = await lab.engine.disk.clean(ada)
  assert.deepEqual(removed, [{ what: 'temporary files', count: 2 }])
  assert.deepEqual([existsSync(old), existsSync(upload), existsSync(young)], [false, false, true])
})

test('failed sign-ins are forgotten a day after their wait', async () => {
  lab.store.accounts.putFailures('address 192.0.2.1', 9, new Date(Date.now() - 2 * dayMs).toISOString())
  lab.store.accounts.putFailures('address 192.0.2.2', 9, new Date(Date.now() + 60_000).toISOString())
  assert.deepEqual((await lab.engine.disk.clean(ada)).removed, [{ what: 'failed sign-ins', count: 1 }])
  assert.equal(lab.store.accounts.failures('address 192.0.2.2').failures, 9)
})

test('the audit log forgets what is older than a good year', async () => {
  await lab.deploy(shop, lab.commit(revisionOf('a')))
  const count = lab.store.audit.list({ limit: 1_000 }).length
  assert.ok(count > 0)
  const young = await later(399)
  await young.disk.clean(ada)
  assert.ok(lab.store.audit.list({ limit: 1_000 }).length > count, 'the cleaning itself stands in it')
  await young.close()
  const old = await later(401)
  const { removed } = await old.disk.clean(ada)
  const entries = removed.find(({ what }) => what === 'entries of the audit log')
  assert.ok((entries?.count ?? 0) >= count, JSON.stringify(removed))
  assert.deepEqual(
    lab.store.audit.list({ limit: 1_000 }).filter(({ action }) => action === 'deployment.begin'),
    [],
  )
  await old.close()
})

test('a chore that fails is reported and keeps no other from being done', async () => {
  const dependencies = { ...lab.deps.dependencies, prune: () => Promise.reject(new Error('broken')) }
  lab.store.accounts.putFailures('address 192.0.2.1', 9, new Date(Date.now() - 2 * dayMs).toISOString())
  const engine = await later(0, {}, { dependencies })
  assert.deepEqual((await engine.disk.clean(ada)).removed, [{ what: 'failed sign-ins', count: 1 }])
  assert.ok(
    lab.reports.some((line) => /unused node_modules.*broken/.test(line)),
    lab.reports.join('\n'),
  )
  await engine.close()
})

test('repositories are told once a week which commits releases are made of', async () => {
  await lab.deploy(shop, lab.commit(revisionOf('a')))
  const told: [string, readonly string[]][] = []
  const repositories = {
    ...lab.deps.repositories,
    collect: async (name: string, keep: readonly string[]) => void told.push([name, keep]),
  }
  for (const days of [8, 9, 16]) {
    const engine = await later(days, {}, { repositories })
    await engine.disk.clean(ada)
    await engine.close()
  }
  assert.equal(told.length, 2)
  assert.equal(told[0]?.[0], 'shop')
})

test('the report says what each project and cache takes, and is measured once for all who ask', async () => {
  await file(lab.paths.data('shop'), 'x')
  await file(lab.paths.cache, 'npm', 'x')
  const [report, same] = await Promise.all([lab.engine.disk.report(), lab.engine.disk.report()])
  assert.equal(same.measuredAt, report.measuredAt)
  const [project] = report.projects
  assert.equal(project?.name, 'shop')
  assert.ok((project?.dataBytes ?? 0) >= 5_000)
  assert.equal(
    project?.bytes,
    (project?.dataBytes ?? 0) + (project?.logsBytes ?? 0) + (project?.releasesBytes ?? 0),
  )
  assert.ok((report.parts.find(({ name }) => name === 'npm cache')?.bytes ?? 0) >= 5_000)
  assert.ok((report.parts.find(({ name }) => name === 'database')?.bytes ?? 0) > 0)
  assert.ok(report.disk.freeBytes > 0)
})

test('a deployment that would take what must stay free is refused before it writes anything', async () => {
  const cached = await file(lab.paths.cache, 'npm', 'x')
  await lab.deploy(shop, lab.commit(revisionOf('a')))
  const engine = await later(0, {}, { minFreeBytes: Number.MAX_SAFE_INTEGER })
  const push = engine.deployments.provePush({
    project: engine.projects.get('shop'),
    source: lab.commit(revisionOf('b')),
    who: ada,
    check: async () => {},
    onLive: () => {},
  })
  await assert.rejects(push, (error) => {
    assert.ok(error instanceof DeploymentFailed && isRefusal(error.refusal, 'disk_full'))
    assert.match(error.message, /the release needs about [\d.]+ kB/)
    return true
  })
  assert.deepEqual(await lab.releasesOnDisk('shop'), ['1'])
  // what can be made again was given up first
  assert.ok(!existsSync(cached))
  await assert.rejects(engine.disk.requireRoomFor(10), (error) => isRefusal(error, 'disk_full'))
  await assert.rejects(engine.backups.make({ keys: false, slugs: false }, ada), (error) =>
    isRefusal(error, 'disk_full'),
  )
  assert.equal(await lab.visit('shop.localhost'), '200 v1')
  await engine.close()
})
