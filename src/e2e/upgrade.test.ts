import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import Database from 'better-sqlite3'
import { projectSettings, settingNames } from '../engine/domain/settings.ts'
import { createKeeper } from '../engine/drivers/keeper.ts'
import { createConnection } from '../engine/drivers/pm2/connection.ts'
import { listEntries, recordOf } from '../engine/drivers/pm2/records.ts'
import { routerProgram } from '../installation.ts'
import { TwoApps } from '../testing/two-apps.ts'
import { until } from '../testing/until.ts'

describe('a home of an earlier NodePilot', {
  timeout: 120_000,
}, () => {
  let lab: TwoApps

  before(async () => {
    lab = await TwoApps.start()
  })
  after(() => lab?.stop())

  test('a front door that PM2 keeps: the next start takes its address over, and nothing keeps the old one', async () => {
    const apps = await lab.appPids()
    await lab.crash()
    const old = await keptByPm2(lab)
    await lab.pilot.start()
    assert.notEqual(await until('one router alone', () => lab.routerPid().catch(() => null)), old)
    assert.ok(await lab.serve(), 'at the same address as before')
    assert.deepEqual(await lab.appPids(), apps)
    assert.equal((await lab.pilot.api('/api/project/list')).status, 200)
    assert.deepEqual(await services(lab), [])
    await lab.allIsWell()
  })

  test('where that PM2 was killed, its router is no owner of the address either', async () => {
    await lab.crash()
    const old = await keptByPm2(lab)
    await lab.killDaemon()
    await lab.pilot.start()
    await until('one router alone', async () => (await lab.routerPid().catch(() => old)) !== old)
    await lab.allIsWell()
  })
  test('a database without traffic and sleep: the app is served all the time, by its domain and after a rollback', async () => {
    const { pilot } = lab
    const older = lab.body
    await lab.allIsWell()
    const newer = lab.body
    const domain = 'www.old-home.test'
    const post = (path: string, body: object) =>
      pilot.api(`/api/project/app/${path}`, { method: 'POST', body })
    assert.equal((await post('domains', { domain })).status, 201)
    const body = { memoryAction: 'fail', webSocketGraceMs: 7_000, sleepAfterMinutes: 60 }
    assert.equal((await pilot.api('/api/project/app', { method: 'PATCH', body })).status, 200)
    const apps = await lab.appPids()
    const load = pilot.load('app', { rate: 20 })

    await lab.crash()
    const newest = takeBack(join(pilot.home, 'nodepilot.db'))
    await load.answered(5)
    await pilot.start()
    await load.answered(5)

    assert.equal(schemaOf(join(pilot.home, 'nodepilot.db')), newest)
    assert.deepEqual(await lab.appPids(), apps, 'the processes went on')
    const { project } = (await pilot.api('/api/project/app')).json<{ project: Record<string, unknown> }>()
    const kept = { memoryAction: 'fail', webSocketGraceMs: 7_000 }
    const settings = Object.fromEntries(settingNames.map((name) => [name, project[name]]))
    assert.deepEqual(settings, { ...projectSettings.parse({}), ...kept })
    assert.deepEqual([project.status, project.sleeping, project.wakeProblem], ['running', false, null])
    assert.equal((await pilot.app('app', '/', { host: domain })).text, newer)

    assert.equal((await post('rollback', {})).status, 200)
    assert.equal((await pilot.app('app')).text, older)
    assert.equal((await pilot.app('app', '/', { host: domain })).text, older)
    await load.answered(5)
    const { lost, bodies } = await load.stop()
    assert.deepEqual(lost, {})
    assert.deepEqual([...bodies.keys()], [newer, older])
    lab.body = older
    await lab.allIsWell()
  })
})

/** Settings that a NodePilot of schema 12 did not know. */
const newSettings = [
  ...['sleepAfterMinutes', 'accessLog', 'regressionGuard'],
  ...['maintenance', 'maintenancePage', 'maintenanceAllow'],
]

/** Takes a database back to schema 12, before what counts traffic and what sleeps. Returns the schema it had. */
function takeBack(file: string): number {
  const db = new Database(file)
  const schema = db.pragma('user_version', { simple: true }) as number
  const without = newSettings.map((name) => `'$.${name}'`).join(', ')
  db.exec(`
    BEGIN;
    ALTER TABLE projects DROP COLUMN asleep_at;
    ALTER TABLE projects DROP COLUMN wake_problem;
    DROP TABLE release_traffic;
    DROP INDEX deployments_watched;
    ALTER TABLE deployments DROP COLUMN comparison;
    ALTER TABLE instances DROP COLUMN kept_until;
    UPDATE projects SET settings = json_remove(settings, ${without});
    PRAGMA user_version = 12;
    COMMIT;
  `)
  db.close()
  return schema
}

function schemaOf(file: string): unknown {
  const db = new Database(file, { readonly: true })
  try {
    return db.pragma('user_version', { simple: true })
  } finally {
    db.close()
  }
}

/** Puts PM2 in the place of the keeper. Returns the pid of the router. */
async function keptByPm2(lab: TwoApps): Promise<number> {
  const { home } = lab.pilot
  const run = join(home, 'run')
  await createKeeper(join(run, 'keeper')).end(2_000)
  const config = join(run, 'router.json')
  await writeFile(config, JSON.stringify({ ...JSON.parse(await readFile(config, 'utf8')), inherited: false }))
  const record = recordOf({
    name: 'nodepilot:router',
    namespace: 'nodepilot',
    argv: [
      '/usr/bin/env',
      `NODEPILOT_SERVICE=${join(run, 'router')}`,
      ...[process.execPath, routerProgram, config],
    ],
    cwd: run,
    pidFile: join(run, 'router.pid'),
    logFile: join(home, 'logs', 'router.log'),
    kept: {
      marks: { NODEPILOT_SERVICE: join(run, 'router') },
      port: null,
      since: 0,
      graceMs: 11_000,
      script: join(run, 'router.sh'),
    },
  })
  await withPm2(home, (connection) => connection.call('prepare', [record]))
  assert.ok(await until('PM2 to keep the front door', () => lab.serve().catch(() => false)))
  return lab.routerPid()
}

async function services(lab: TwoApps): Promise<string[]> {
  const all = await withPm2(lab.pilot.home, (connection) => listEntries(connection))
  return all.map(({ name }) => name).filter((name) => name.startsWith('nodepilot:'))
}

async function withPm2<T>(home: string, use: (pm2: ReturnType<typeof createConnection>) => Promise<T>) {
  const connection = createConnection({
    pm2Home: join(home, 'pm2'),
    nodePath: process.execPath,
    environment: {},
    launchPrefix: [],
    callTimeoutMs: 10_000,
    onLaunch: async () => {},
  })
  await connection.attach()
  try {
    return await use(connection)
  } finally {
    connection.close()
  }
}
