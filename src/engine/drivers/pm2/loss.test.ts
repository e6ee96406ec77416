import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { isRefusal } from '../../domain/refusal.ts'
import { processRow, processTable } from '../../processes.ts'
import { until } from '../runtime.suite.ts'
import { openPm2Lab, type Pm2Lab } from './lab.suite.ts'

const node = process.execPath
const quiet = `${node} -e "setInterval(() => {}, 1000)"`
let lab: Pm2Lab
beforeEach(async () => {
  lab = await openPm2Lab()
})
afterEach(() => lab.close())

test('after the daemon was killed, its apps are ended as orphans and run once again', async () => {
  await lab.runtime.connect()
  const group = lab.group('shop', quiet)
  const [before] = await lab.runtime.start(group)
  let losses = 0
  const lost = new Promise<void>((resolve) => {
    lab.runtime.onLost(() => {
      losses++
      resolve()
    })
  })
  process.kill(await lab.daemonPid(), 'SIGKILL')
  await lost
  await assert.rejects(lab.runtime.list(), (error) => isRefusal(error, 'unavailable'))
  await lab.runtime.connect()
  assert.deepEqual(await lab.runtime.list(), [])
  assert.ok(processRow(before?.pid ?? 0), 'a quiet app outlives its daemon')
  assert.equal(await lab.runtime.endOrphans(), 1)
  assert.equal(processRow(before?.pid ?? 0), null)
  const [after] = await lab.runtime.start(group)
  assert.equal((await lab.runtime.list()).length, 1)
  assert.equal(await lab.runtime.endOrphans(), 0)
  assert.ok(processRow(after?.pid ?? 0))
  assert.equal(losses, 1)
})

test('a pending call is refused at once when the daemon dies, not when its time is over', async () => {
  await lab.runtime.connect()
  const daemon = await lab.daemonPid()
  process.kill(daemon, 'SIGSTOP')
  const list = lab.runtime.list()
  process.kill(daemon, 'SIGKILL')
  const began = performance.now()
  await assert.rejects(list, (error) => isRefusal(error, 'unavailable'))
  assert.ok(performance.now() - began < 5_000)
})

test('a daemon that is asked to end takes its apps along, and its dump holds no secret', async () => {
  await lab.runtime.connect()
  const group = lab.group('shop', quiet, { env: { SECRET: 'canary' } })
  const [instance] = await lab.runtime.start(group)
  const lost = new Promise<void>((resolve) => lab.runtime.onLost(resolve))
  process.kill(await lab.daemonPid(), 'SIGTERM')
  await lost
  assert.equal(processRow(instance?.pid ?? 0), null)
  const dump = await readFile(join(lab.pm2Home, 'dump.pm2'), 'utf8')
  assert.ok(dump.includes('shop/web.1/v1/g1') && !dump.includes('canary'))
})

test('a daemon that hangs is "unavailable", for calls and for new connections', async () => {
  await lab.runtime.connect()
  const daemon = await lab.daemonPid()
  const impatient = lab.reopen({ callTimeoutMs: 1_000 })
  await impatient.connect()
  process.kill(daemon, 'SIGSTOP')
  try {
    await assert.rejects(impatient.list(), (error) => isRefusal(error, 'unavailable'))
    await assert.rejects(impatient.start(lab.group('shop', quiet)), (error) =>
      isRefusal(error, 'unavailable'),
    )
    await impatient.close()
    await assert.rejects(impatient.connect(), (error) => isRefusal(error, 'unavailable'))
  } finally {
    process.kill(daemon, 'SIGCONT')
  }
  await impatient.connect()
  assert.deepEqual(await impatient.list(), [])
})

test('a shutdown ends a daemon that hangs, and its apps', async () => {
  await lab.runtime.connect()
  const [instance] = await lab.runtime.start(lab.group('shop', quiet))
  const daemon = await lab.daemonPid()
  process.kill(daemon, 'SIGSTOP')
  await lab.reopen({ callTimeoutMs: 300 }).shutdown()
  assert.equal(processRow(daemon), null)
  assert.equal(processRow(instance?.pid ?? 0), null)
})

test('a shutdown without a daemon ends what was left behind', async () => {
  await lab.runtime.connect()
  const [instance] = await lab.runtime.start(lab.group('shop', quiet))
  process.kill(await lab.daemonPid(), 'SIGKILL')
  await until(async () => (await lab.daemonPid()) === 0)
  await lab.reopen().shutdown()
  assert.equal(processRow(instance?.pid ?? 0), null)
})

test('a shutdown leaves no process and no socket, and tells of no loss', async () => {
  await lab.runtime.connect()
  await lab.runtime.start(lab.group('shop', `${quiet} & ${quiet}`))
  const daemon = await lab.daemonPid()
  let losses = 0
  lab.runtime.onLost(() => losses++)
  await lab.runtime.shutdown()
  assert.equal(processRow(daemon), null)
  const left = (await readdir(lab.pm2Home)).filter((name) => name.endsWith('.sock') || name === 'pm2.pid')
  assert.deepEqual(left, [])
  assert.equal(losses, 0)
})

test('two connects at once start one daemon, and another server of the home finds it', async () => {
  await Promise.all([lab.runtime.connect(), lab.runtime.connect()])
  const daemon = await lab.daemonPid()
  const started = await lab.runtime.start(lab.group('shop', quiet))
  const other = lab.reopen()
  await other.connect()
  assert.equal(await lab.daemonPid(), daemon)
  assert.deepEqual(await other.list(), started)
  const daemons = [...processTable().values()].filter(
    (row) => row.parent === process.pid && row.session === row.pid,
  )
  assert.deepEqual(
    daemons.map((row) => row.pid),
    [daemon],
  )
})

test('a stale socket and pid file of a killed daemon are no obstacle', async () => {
  await lab.runtime.connect()
  const daemon = await lab.daemonPid()
  await lab.runtime.close()
  process.kill(daemon, 'SIGKILL')
  await until(async () => processRow(daemon) === null)
  await lab.runtime.connect()
  assert.notEqual(await lab.daemonPid(), daemon)
  assert.deepEqual(await lab.runtime.list(), [])
})

test('two homes do not see, and never end, each other’s processes', async () => {
  const other = await openPm2Lab()
  try {
    await Promise.all([lab.runtime.connect(), other.runtime.connect()])
    const [mine] = await lab.runtime.start(lab.group('shop', quiet))
    const [theirs] = await other.runtime.start(other.group('shop', quiet))
    assert.notEqual(await lab.daemonPid(), await other.daemonPid())
    assert.equal((await lab.runtime.list()).length, 1)
    assert.equal(await lab.runtime.endOrphans(), 0)
    process.kill(await other.daemonPid(), 'SIGKILL')
    await until(async () => (await other.daemonPid()) === 0)
    assert.equal(await lab.runtime.endOrphans(), 0)
    await lab.runtime.shutdown()
    assert.equal(processRow(mine?.pid ?? 0), null)
    assert.ok(processRow(theirs?.pid ?? 0), 'an orphan of another home is not ours to end')
  } finally {
    await other.close()
  }
})

test('a home whose path is longer than a socket address works like any other', async () => {
  const deep = await openPm2Lab({ below: `${'deep/'.repeat(30)}home` })
  try {
    assert.ok(deep.pm2Home.length > 150)
    await deep.runtime.connect()
    const [instance] = await deep.runtime.start(deep.group('shop', quiet))
    assert.ok(processRow(instance?.pid ?? 0))
    const other = deep.reopen()
    await other.connect()
    assert.equal((await other.list()).length, 1)
  } finally {
    await deep.close()
  }
})
