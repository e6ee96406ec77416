import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createKeeper } from '../engine/drivers/keeper.ts'
import { createConnection } from '../engine/drivers/pm2/connection.ts'
import { listEntries, recordOf } from '../engine/drivers/pm2/records.ts'
import { routerProgram } from '../installation.ts'
import { TwoApps } from '../testing/two-apps.ts'
import { until } from '../testing/until.ts'

describe('a home whose front door is still kept by PM2, as an earlier NodePilot did', {
  timeout: 120_000,
}, () => {
  let lab: TwoApps

  before(async () => {
    lab = await TwoApps.start()
  })
  after(() => lab?.stop())

  test('the next start takes its address over, and nothing keeps the old one any more', async () => {
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
})

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
