import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { appendFile, readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { ada, revisionOf } from '../../testing/engine-lab.ts'
import { until } from '../../testing/until.ts'
import { isRefusal } from '../domain/refusal.ts'
import { cronMark } from './carry-out.ts'
import { begin, minute, withShop } from './testbed.suite.ts'

test('a job runs in the files and with the environment of the live release, and what it says is kept', async () => {
  await withShop(async ({ lab, at, set, output }) => {
    await lab.engine.configVars.put(lab.engine.projects.get('shop'), { COLOUR: 'blue' }, true, { who: ada })
    set([{ name: 'tell', command: 'pwd; env; echo wrong >&2; exit 3' }])
    at(1)
    await lab.engine.cron.idle()
    const [run] = lab.engine.cron.runs(lab.engine.projects.get('shop'), { limit: 5 })
    assert.deepEqual(
      [run?.status, run?.exitCode, run?.release, run?.by, run?.scheduledAt, run?.error],
      ['failed', 3, 2, 'schedule', '2026-03-01T12:01:00.000Z', null],
    )
    const said = await output(run?.id ?? 0)
    assert.match(said, new RegExp(`^${lab.paths.release('shop', 1)}$`, 'm'))
    for (const line of [
      'COLOUR=blue',
      'NODEPILOT_INSTANCE=cron.1',
      'NODEPILOT_CRON=tell',
      'NODEPILOT_RELEASE=v2',
      'wrong',
    ]) {
      assert.ok(said.split('\n').includes(line), line)
    }
    assert.ok(!/^PORT=/m.test(said))
    assert.deepEqual(
      lab.engine.cron.failing(lab.engine.projects.get('shop')).map(({ job }) => job),
      ['tell'],
    )
    assert.deepEqual(lab.engine.cron.counts(), [{ project: 'shop', result: 'failed', count: 1 }])
  })
})

test('a job that still runs is not started again, and the tick that was skipped is counted', async () => {
  await withShop(async ({ lab, at, set, runs }) => {
    const gate = path.join(lab.home, 'gate')
    set([{ name: 'slow', command: `until [ -e ${gate} ]; do sleep 0.05; done` }])
    at(1)
    at(2)
    at(3)
    assert.deepEqual(runs(), ['slow queued null'])
    assert.throws(
      () => lab.engine.cron.run(lab.engine.projects.get('shop'), 'slow', ada),
      (error) => isRefusal(error, 'conflict'),
    )
    await appendFile(gate, '')
    await lab.engine.cron.idle()
    at(4)
    await lab.engine.cron.idle()
    assert.deepEqual(runs(), ['slow succeeded 0', 'slow succeeded 0'])
    const [, first] = lab.engine.cron.runs(lab.engine.projects.get('shop'), { limit: 5 })
    assert.equal(first?.skipped, 2)
  })
})

test('a stopped project runs nothing by schedule, a deleted job is gone, and neither is missed', async () => {
  await withShop(async ({ lab, at, set, runs }) => {
    const shop = () => lab.engine.projects.get('shop')
    set([{ name: 'tick', command: 'true' }])
    assert.equal(lab.engine.cron.jobs(shop())[0]?.nextRunAt, '2026-03-01T12:01:00.000Z')
    await lab.engine.processes.stop(shop(), ada)
    assert.equal(lab.engine.cron.jobs(shop())[0]?.nextRunAt, null)
    at(1)
    await lab.engine.processes.start(shop(), ada)
    at(2)
    set([])
    at(3)
    await lab.engine.cron.idle()
    assert.deepEqual(runs(), ['tick succeeded 0'])
    assert.deepEqual(lab.engine.cron.jobs(shop()), [])
    assert.deepEqual(lab.engine.cron.failing(shop()), [])
  })
})

test('jobs of the app file belong to the release; those of the settings win', async () => {
  await withShop(async ({ lab, at, set, runs }) => {
    const shop = () => lab.engine.projects.get('shop')
    const plan = { cron: [{ schedule: '* * * * *', command: 'true', timezone: 'UTC', timeoutMs: 60_000 }] }
    lab.db.prepare('UPDATE releases SET plan = ? WHERE number = 1').run(JSON.stringify(plan))
    assert.deepEqual(
      lab.engine.cron.jobs(shop()).map(({ name, source }) => [name, source]),
      [['true', 'app']],
    )
    at(1)
    await lab.engine.cron.idle()
    set([{ name: 'mine', command: 'true' }])
    at(2)
    await lab.engine.cron.idle()
    assert.deepEqual(runs(), ['true succeeded 0', 'mine succeeded 0'])
  })
})

test('a run of the old release goes on while a new one takes over, and its files stay', async () => {
  await withShop(async ({ lab, at, set, runs }) => {
    const gate = path.join(lab.home, 'gate')
    lab.store.projects.update(lab.engine.projects.get('shop').id, { keepReleases: 1 })
    set([{ name: 'slow', command: `until [ -e ${gate} ]; do sleep 0.05; done; cat server.js` }])
    at(1)
    await until('the job runs', () => runs()[0] === 'slow running null')
    for (const letter of ['b', 'c']) {
      await lab.deploy(lab.engine.projects.get('shop'), lab.commit(revisionOf(letter)))
    }
    assert.ok(existsSync(lab.paths.release('shop', 1)))
    await appendFile(gate, '')
    await lab.engine.cron.idle()
    assert.deepEqual(runs(), ['slow succeeded 0'])
  })
})

test('a hundred jobs of one minute run a few at a time, and all of them run', async () => {
  await withShop(async ({ lab, at, set, runs }) => {
    const log = path.join(lab.home, 'log')
    const gate = path.join(lab.home, 'gate')
    const project = await lab.project('other')
    await lab.deploy(project, lab.commit(revisionOf('b')))
    const jobs = Array.from({ length: 20 }, (_, n) => ({
      name: `j${n}`,
      command: `echo + >>${log}; until [ -e ${gate} ]; do sleep 0.05; done; echo - >>${log}`,
    }))
    set(jobs)
    set(jobs, 'other')
    at(1)
    await until('four have begun', async () => (await readFile(log, 'utf8')).split('+').length > 4)
    await appendFile(gate, '')
    await lab.engine.cron.idle()
    let open = 0
    let most = 0
    for (const sign of (await readFile(log, 'utf8')).trim().split('\n')) {
      open += sign === '+' ? 1 : -1
      most = Math.max(most, open)
    }
    assert.equal(most, 4)
    assert.equal(runs().filter((run) => run.endsWith('succeeded 0')).length, 20)
  })
})

test('a server that dies in the middle marks the run, ends what is left of it, and does not run it again', async () => {
  await withShop(async ({ lab, at, set, runs }) => {
    const shop = lab.engine.projects.get('shop')
    set([{ name: 'cut', command: 'true' }])
    const id = lab.store.cronRuns.create({
      projectId: shop.id,
      job: 'cut',
      command: 'sleep 600',
      by: 'schedule',
      scheduledAt: new Date(begin + minute).toISOString(),
    })
    lab.store.cronRuns.begin(id, 1)
    const left = spawn('sleep', ['600'], {
      env: { ...process.env, NODEPILOT_JOB: cronMark(lab.home, id) },
      detached: true,
      stdio: 'ignore',
    })
    const ended = once(left, 'exit')
    await lab.restart().reconcile()
    assert.equal((await ended)[1], 'SIGKILL')
    assert.deepEqual(runs(), ['cut interrupted null'])
    // the clock is behind what was followed already
    lab.engine.cron.start()
    at(1)
    await lab.engine.cron.idle()
    assert.deepEqual(runs(), ['cut interrupted null'])
    at(2)
    await lab.engine.cron.idle()
    assert.deepEqual(runs(), ['cut interrupted null', 'cut succeeded 0'])
  })
})

test('a server that ends ends the runs too, and says so', async () => {
  await withShop(async ({ lab, at, set, runs }) => {
    set([
      { name: 'cut', command: 'exec sleep 600' },
      { name: 'waits', command: 'true' },
    ])
    at(1)
    await until('the job runs', () => runs()[0] === 'cut running null')
    await lab.settled()
    assert.deepEqual(runs(), ['cut interrupted null', 'waits interrupted null'])
  }, 1)
})

test('a deleted project takes its runs with it', async () => {
  await withShop(async ({ lab, at, set, runs }) => {
    const shop = lab.engine.projects.get('shop')
    set([{ name: 'cut', command: 'exec sleep 600' }])
    at(1)
    await until('the job runs', () => runs()[0] === 'cut running null')
    await lab.engine.projects.remove(shop, ada)
    await lab.engine.cron.idle()
    assert.equal(existsSync(lab.paths.projectLogs('shop')), false)
    assert.deepEqual(lab.store.cronRuns.list(shop.id, { limit: 5 }), [])
  })
})

test('a job can be run by hand, also while the project is stopped; what there is not is refused by name', async () => {
  await withShop(async ({ lab, set, runs }) => {
    const shop = () => lab.engine.projects.get('shop')
    set([{ name: 'yearly', command: 'true', schedule: '@yearly' }])
    await lab.engine.processes.stop(shop(), ada)
    const run = lab.engine.cron.run(shop(), 'yearly', ada)
    assert.deepEqual([run.by, run.scheduledAt, run.status], ['ada', null, 'queued'])
    await lab.engine.cron.idle()
    assert.deepEqual(runs(), ['yearly succeeded 0'])
    assert.throws(
      () => lab.engine.cron.run(shop(), 'daily', ada),
      (error) => isRefusal(error, 'not_found') && error.hint === 'its jobs: yearly',
    )
    const empty = await lab.project('empty')
    set([{ name: 'x', command: 'true' }], 'empty')
    assert.throws(
      () => lab.engine.cron.run(lab.engine.projects.get(empty.id), 'x', ada),
      (error) => isRefusal(error, 'conflict'),
    )
    assert.throws(
      () => lab.engine.cron.find(shop(), 99),
      (error) => isRefusal(error, 'not_found'),
    )
  })
})
