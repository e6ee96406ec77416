import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { environmentOf, processRow } from '../../processes.ts'
import { until } from '../runtime.suite.ts'
import { openPm2Lab, type Pm2Lab } from './lab.suite.ts'
import type { ServiceSpec } from './services.ts'

describe('services under a real PM2', () => {
  let lab: Pm2Lab
  before(async () => {
    lab = await openPm2Lab()
    await lab.runtime.connect()
  })
  after(() => lab?.close())

  const spec = (overrides: Partial<ServiceSpec> = {}): ServiceSpec => ({
    name: 'router',
    argv: [process.execPath, '-e', `console.log("it's up"); setInterval(() => {}, 1000)`],
    cwd: lab.root,
    env: { TOKEN: `don't tell` },
    logFile: join(lab.root, 'logs', 'router.log'),
    fingerprint: 'a',
    ...overrides,
  })
  const pid = async () => (await lab.runtime.serviceStatus('router'))?.pid ?? 0

  test('a service is started once, also when it is asked for twice at once', async () => {
    await Promise.all([lab.runtime.startService(spec()), lab.runtime.startService(spec())])
    const first = await pid()
    assert.ok(processRow(first))
    await lab.runtime.startService(spec())
    assert.equal(await pid(), first)
    const status = await lab.runtime.serviceStatus('router')
    assert.deepEqual(status, { name: 'router', pid: first, status: 'online', restarts: 0, fingerprint: 'a' })
  })

  test('it gets its environment and a mark, and its argv word by word', async () => {
    await until(async () => (await readFile(spec().logFile, 'utf8').catch(() => '')).includes("it's up"))
    const environment = Object.fromEntries((await environmentOf(await pid())) ?? [])
    assert.deepEqual(environment, {
      TOKEN: `don't tell`,
      NODEPILOT_SERVICE: join(lab.runDirectory, 'router'),
    })
  })

  test('another fingerprint replaces it', async () => {
    const first = await pid()
    await lab.runtime.startService(spec({ fingerprint: 'b' }))
    assert.equal(processRow(first), null)
    assert.notEqual(await pid(), first)
    assert.equal((await lab.runtime.serviceStatus('router'))?.fingerprint, 'b')
  })

  test('a service is no instance and no orphan', async () => {
    assert.deepEqual(await lab.runtime.list(), [])
    assert.deepEqual(await lab.runtime.stats(), [])
    assert.equal(await lab.runtime.endOrphans(), 0)
    assert.ok(processRow(await pid()))
  })

  test('left behind by a killed daemon it is an orphan, and the next one is the only one', async () => {
    const first = await pid()
    const lost = new Promise<void>((resolve) => lab.runtime.onLost(resolve))
    process.kill(await lab.daemonPid(), 'SIGKILL')
    await lost
    await lab.runtime.connect()
    assert.equal(await lab.runtime.serviceStatus('router'), null)
    assert.equal(await lab.runtime.endOrphans(), 1)
    assert.equal(processRow(first), null)
    await lab.runtime.startService(spec())
    assert.ok(processRow(await pid()))
  })

  test('a stopped service is gone, and stopping it again is fine', async () => {
    const last = await pid()
    await lab.runtime.stopService('router')
    assert.equal(processRow(last), null)
    assert.equal(await lab.runtime.serviceStatus('router'), null)
    await lab.runtime.stopService('router')
  })
})
