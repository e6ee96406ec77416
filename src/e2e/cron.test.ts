import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { app } from '../testing/apps.ts'
import { interruptWhen } from '../testing/command.ts'
import { type CommandLine, commandLine } from '../testing/command-line.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { processesOf } from '../testing/processes.ts'
import { answered } from '../testing/project.ts'
import { until } from '../testing/until.ts'
import { workTree } from '../testing/work-tree.ts'

interface Run {
  readonly id: number
  readonly job: string
  readonly status: string
  readonly exitCode: number | null
  readonly by: string
  readonly scheduledAt: string | null
}

describe('scheduled jobs', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let user: CommandLine

  before(async () => {
    pilot = await startPilot()
    user = await commandLine()
    await user.login(pilot)
    const tree = await workTree({
      ...app(`require('node:http').createServer((q, s) => s.end('ok')).listen(process.env.PORT)`),
      'tick.js': `console.log(process.env.NODEPILOT_INSTANCE, process.env.NODEPILOT_CRON); process.exitCode = Number(process.argv[2] ?? 0)`,
    })
    assertLive(await tree.push(pilot.remote('shop')), 1)
    await tree.remove()
    const cron = [
      { name: 'tick', schedule: '* * * * *', command: 'node tick.js' },
      { name: 'works', schedule: '@yearly', command: 'node tick.js' },
      { name: 'fails', schedule: '@yearly', command: 'node tick.js 7' },
      { name: 'long', schedule: '@yearly', command: 'echo begun; setsid sleep 600 & exec sleep 600' },
    ]
    answered(await pilot.api('/api/project/shop', { method: 'PATCH', body: { cron } }))
  })
  after(async () => {
    await user?.remove()
    await pilot?.stop()
  })

  const shop = (path: string, method = 'GET') =>
    pilot.api(`/api/project/shop/cron${path}`, { method, ...(method === 'POST' && { body: {} }) })
  const runs = async (job: string) => answered(await shop(`/runs?job=${job}`)).json<{ runs: Run[] }>().runs
  const cli = (...args: string[]) => user.run(['cron', ...args, '-p', 'shop'])
  /** Of `long`: one in the group of its command, one that has left it. */
  const sleeping = async () =>
    (await processesOf(pilot.home)).filter(({ command }) => command === 'sleep 600').length

  test('mistakes in the settings name the job and the field, and change nothing', async () => {
    const answer = await pilot.api('/api/project/shop', {
      method: 'PATCH',
      body: {
        cron: [
          { schedule: '* * * * *', command: 'x' },
          { schedule: 'soon', command: 'x', tz: 'UTC' },
        ],
      },
    })
    assert.equal(answer.status, 422)
    assert.deepEqual(
      answer.json<{ errors: { field: string }[] }>().errors.map(({ field }) => field),
      ['cron.1.tz', 'cron.1.schedule'],
    )
    const { jobs } = answered(await shop('')).json<{
      jobs: { name: string; source: string; nextRunAt: string }[]
    }>()
    assert.deepEqual(
      jobs.map(({ name, source }) => `${name} ${source}`),
      ['tick settings', 'works settings', 'fails settings', 'long settings'],
    )
    assert.match(jobs[2]?.nextRunAt ?? '', /-01-01T00:00:00\.000Z$/)
  })

  test('a run by hand is followed to its end, with its output, its exit code and its mark on the page', async () => {
    const begun = answered(await shop('/fails/run', 'POST'), 202)
    const { run } = begun.json<{ run: Run }>()
    assert.equal(begun.headers.location, `/api/project/shop/cron/runs/${run.id}`)
    const followed = answered(await shop(`/runs/${run.id}/output?follow=1`))
    assert.match(followed.text, /^data: cron\.1 fails$/m)
    assert.match(followed.text, /^event: end\ndata: failed$/m)
    assert.equal(answered(await shop(`/runs/${run.id}/output`)).text, 'cron.1 fails\n')
    const ended = answered(await shop(`/runs/${run.id}`)).json<{ run: Run }>().run
    assert.deepEqual([ended.status, ended.exitCode, ended.by], ['failed', 7, 'admin'])
    const page = await pilot.api('/projects/shop', {
      token: null,
      headers: { cookie: `nodepilot=${pilot.token}` },
    })
    assert.match(page.text, /A scheduled job fails/)
    const metrics = answered(await pilot.api('/metrics')).text
    assert.match(metrics, /^nodepilot_cron_job_failing\{project="shop",job="fails"\} 1$/m)
    assert.match(metrics, /^nodepilot_cron_runs_total\{project="shop",result="failed"\} 1$/m)
  })

  test('what there is not, and what runs already, is refused', async () => {
    assert.equal((await shop('/nothing/run', 'POST')).status, 404)
    assert.equal((await shop('/runs/999999')).status, 404)
    assert.equal((await shop('/runs/x/output')).status, 404)
    const { run } = answered(await shop('/long/run', 'POST'), 202).json<{ run: Run }>()
    assert.equal((await shop('/long/run', 'POST')).status, 409)
    answered(await shop(`/runs/${run.id}/cancel`, 'POST'), 202)
    await until('its end', async () => (await runs('long'))[0]?.status === 'cancelled')
    assert.equal((await shop(`/runs/${run.id}/cancel`, 'POST')).status, 409)
    assert.equal(await sleeping(), 0)
  })

  test('the command line lists, runs and shows', async () => {
    const failed = await cli('run', 'fails')
    assert.deepEqual(
      [failed.code, failed.out, failed.err],
      [7, 'cron.1 fails\n', 'fails failed: exit code 7\n'],
    )
    // not the one of every minute, which may be under way
    assert.equal((await cli('run', 'works')).code, 0)
    const listed = await cli()
    assert.match(
      listed.out,
      /^fails +@yearly +UTC +\d{4}-01-01T00:00Z +failed: exit code 7, \d+\w ago +node tick\.js 7$/m,
    )
    assert.match((await cli('runs', 'fails')).out, /^\d+ +fails +failed: exit code 7 +v1 +admin/m)
    assert.equal((await cli('logs', 'fails')).out, 'cron.1 fails\n')
    const missing = await cli('run', 'nothing')
    assert.equal(missing.code, 4)
    assert.match(missing.err, /hint: its jobs: tick, works, fails, long/)
    assert.equal((await cli('list', '--json')).json<{ jobs: unknown[] }>().jobs.length, 4)
  })

  test('Ctrl-C ends a run that was started by hand, on the server too', async () => {
    const ended = await user.run(['cron', 'run', 'long', '-p', 'shop'], {
      onOutput: interruptWhen(/begun/),
    })
    assert.equal(ended.code, 130, ended.all)
    await until('its end', async () => (await runs('long'))[0]?.status === 'cancelled')
    assert.equal(await sleeping(), 0)
  })

  test('a server that is killed in the middle marks the run and ends what is left of it', async () => {
    answered(await shop('/long/run', 'POST'), 202)
    await until('both of its processes', async () => (await sleeping()) === 2)
    pilot.signal('SIGKILL')
    await pilot.exited()
    // but for what has left its group: that is found by the next start
    await until('its command to end with the server', async () => (await sleeping()) === 1)
    await pilot.start()
    assert.equal((await runs('long'))[0]?.status, 'interrupted')
    assert.equal(await sleeping(), 0)
    assert.equal((await shop('/long/run', 'POST')).status, 202, 'it can run again')
  })

  test('the schedule is followed by the clock of the machine', async () => {
    const run = await until(
      'a run by schedule',
      async () => (await runs('tick')).find(({ by, status }) => by === 'schedule' && status === 'succeeded'),
      75_000,
    )
    assert.match(run.scheduledAt ?? '', /:00\.000Z$/)
    assert.equal(answered(await shop(`/runs/${run.id}/output`)).text.endsWith('tick\n'), true)
  })
})
