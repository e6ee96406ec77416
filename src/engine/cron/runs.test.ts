import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { ada } from '../../testing/engine-lab.ts'
import { until } from '../../testing/until.ts'
import { processesWithEnvironment } from '../shell.ts'
import { cronMark } from './carry-out.ts'
import { withShop } from './testbed.suite.ts'

test('a run that takes too long, or is cancelled, ends with everything it has started', async () => {
  await withShop(async ({ lab, at, set, runs, output }) => {
    const shop = () => lab.engine.projects.get('shop')
    const forever = 'setsid sh -c "echo away; exec sleep 600" & echo here; exec sleep 600'
    set([
      { name: 'late', command: forever, timeoutMs: 1000 },
      { name: 'unwanted', command: forever },
    ])
    at(1)
    await until('it has begun', async () => (await output(2)).includes('away'))
    lab.engine.cron.cancel(shop(), lab.engine.cron.find(shop(), 2), ada)
    await lab.engine.cron.idle()
    assert.deepEqual(runs(), ['late failed null', 'unwanted cancelled null'])
    assert.equal(lab.engine.cron.find(shop(), 1).error?.code, 'timeout')
    for (const id of [1, 2]) {
      assert.deepEqual(await processesWithEnvironment(`NODEPILOT_JOB=${cronMark(lab.home, id)}`), [])
    }
  })
})

test('a run that takes more memory than its project may ends with all it has started, and says why', async () => {
  await withShop(async ({ lab, at, set, runs }) => {
    const shop = () => lab.engine.projects.get('shop')
    lab.store.projects.update(shop().id, { memoryLimitMb: 120 })
    const hog = 'const a = []; setInterval(() => a.push(Buffer.alloc(5e6, 1)), 20)'
    set([{ name: 'hog', command: `setsid '${process.execPath}' -e '${hog}' & exec sleep 600` }])
    at(1)
    await lab.engine.cron.idle()
    assert.deepEqual(runs(), ['hog failed null'])
    const { error } = lab.engine.cron.find(shop(), 1)
    assert.equal(error?.code, 'out_of_memory')
    assert.match(error?.message ?? '', /^it used \d+\.\d MB of memory, and may use 120\.0 MB$/)
    assert.deepEqual(await processesWithEnvironment(`NODEPILOT_JOB=${cronMark(lab.home, 1)}`), [])
    assert.ok(!lab.reports.some((line) => line.includes('hog')), 'it is no fault of the server')
  })
})

test('of each job the newest runs are kept, with their output', async () => {
  await withShop(async ({ lab, at, set, runs }) => {
    set([
      { name: 'often', command: 'echo x' },
      { name: 'rare', command: 'echo y', schedule: '1 12 * * *' },
    ])
    for (let n = 1; n <= 30; n++) {
      at(n)
      await lab.engine.cron.idle()
    }
    assert.equal(runs().filter((run) => run.startsWith('often')).length, 25)
    assert.equal(runs().filter((run) => run.startsWith('rare')).length, 1)
    assert.equal(existsSync(lab.paths.cronLog('shop', 1)), false)
    // a month later
    at(31 * 24 * 60)
    await lab.engine.cron.idle()
    assert.deepEqual(runs(), ['rare succeeded 0', 'often succeeded 0'])
  })
})

test('of what a run writes the beginning and the end are kept, and no more', async () => {
  await withShop(async ({ lab, at, set, output }) => {
    set([{ name: 'talks', command: 'echo first; yes 12345678 | head -n 200000; echo last' }])
    at(1)
    await lab.engine.cron.idle()
    const said = await output(1)
    assert.ok(said.startsWith('first\n') && said.endsWith('\nlast'))
    assert.ok(said.length < 270_000, `${said.length}`)
    assert.match(said, /^… \d+ lines were left out: 256 kB are kept …$/m)
  })
})
