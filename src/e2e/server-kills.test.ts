import assert from 'node:assert/strict'
import { watch } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import { ask } from '../testing/ask.ts'
import { assertLive, assertRejected } from '../testing/git-output.ts'
import { environmentOf, nothingLeft, runningApps } from '../testing/leftovers.ts'
import { deploymentsOf } from '../testing/project.ts'
import { serving, standStill, TwoApps, withScripts } from '../testing/two-apps.ts'
import { until } from '../testing/until.ts'
import { workTree } from '../testing/work-tree.ts'

/** Answers at once, and `/slow` when a second request (`/go`) comes; `/held` says whether one waits. */
const slow = (body: string) => `let release
require('node:http').createServer((q, s) => {
  if (q.url === '/slow') { s.write('begun '); release = () => s.end(${JSON.stringify(body)}) }
  else if (q.url === '/held') s.end(String(release !== undefined))
  else { if (q.url === '/go') release?.(); s.end(${JSON.stringify(body)}) }
}).listen(process.env.PORT)
`

describe('the server killed or asked to end', { timeout: 200_000 }, () => {
  let lab: TwoApps

  before(async () => {
    lab = await TwoApps.start()
  })
  beforeEach(() => lab.standUp())
  after(() => lab?.stop())

  for (const [step, filesWith] of [
    ['install', (file: string) => withScripts({ postinstall: standStill(file) }, serving('never'))],
    [
      'build',
      (file: string) =>
        withScripts({ build: `setsid sh -c '${standStill(file)}' & ${standStill(file)}` }, serving('never')),
    ],
    [
      'boot',
      (file: string) =>
        withScripts(
          {},
          `require('node:fs').writeFileSync(${JSON.stringify(file)}, ''); setInterval(() => {}, 1e6)`,
        ),
    ],
  ] as const) {
    test(`SIGKILL of the server during ${step}: the old version serves, nothing stays, the ref is where it was`, async () => {
      const file = lab.mark()
      const { before, pushed } = await lab.pushUntil(filesWith(file), file)
      await lab.crash()
      assert.notEqual((await pushed).code, 0)
      assert.ok(await lab.serve())
      await lab.pilot.start()
      const ref = await lab.ref()
      assert.equal(ref, before)
      const [newest] = await deploymentsOf(lab.pilot, 'app')
      assert.equal(newest?.status, 'failed')
      assert.equal(newest?.error?.code, 'internal')
      await lab.work.git('reset', '-q', '--hard', before)
      await lab.allIsWell()
    })
  }

  test('SIGKILL of the server while it unpacks: no half-made folder stays', async () => {
    const before = await lab.work.head()
    const many = Array.from({ length: 1500 }, (_, i) => [
      `files/${i % 50}/${i}.txt`,
      `${i} ${'x'.repeat(500)}`,
    ])
    await lab.work.commit({ ...hello('never'), ...Object.fromEntries(many) })
    const watching = new AbortController()
    const events = watch(join(lab.pilot.home, 'projects', 'app', 'releases'), { signal: watching.signal })
    const pushed = lab.work.push(lab.pilot.remote('app'))
    for await (const _first of events) break
    watching.abort()
    await lab.crash()
    await pushed
    await lab.pilot.start()
    await nothingLeft(lab.pilot.home)
    await lab.work.git('reset', '-q', '--hard', before)
    await lab.allIsWell()
  })

  test('SIGKILL of the server in the moment a push is accepted: the ref and what serves agree afterwards', async () => {
    for (const after of ['[5/5]', 'success:']) {
      await lab.work.commit(hello(`accepted ${after}`))
      const head = await lab.work.head()
      const pushed = await lab.work.push(lab.pilot.remote('app'), 'main', {
        onOutput: (text) => {
          if (text.includes(after)) lab.pilot.signal('SIGKILL')
        },
      })
      await lab.pilot.exited()
      await lab.pilot.start()
      const ref = await lab.ref()
      const moved = ref === head
      if (pushed.code === 0) assert.ok(moved, 'git said yes')
      if (moved) lab.body = `accepted ${after}`
      else await lab.work.git('reset', '-q', '--hard', ref)
      await until('what the ref says to serve', () => lab.serve())
      await nothingLeft(lab.pilot.home)
    }
    await lab.allIsWell()
  })

  test('SIGKILL of the server while the old version drains: it is ended by the next start', async () => {
    await lab.work.commit(withScripts({}, slow('slow one')))
    assertLive(await lab.work.push(lab.pilot.remote('app')))
    const answer = lab.pilot.app('app', '/slow')
    // the version before it may still be ending
    const [old] = await until('one version alone', async () => {
      const running = await runningApps(lab.pilot.home, 'app')
      return running.length === 1 && running
    })
    await until(
      'the slow request to arrive',
      async () => (await lab.pilot.app('app', '/held')).text === 'true',
    )
    lab.body = 'new one'
    await lab.work.commit(hello(lab.body))
    assertLive(await lab.work.push(lab.pilot.remote('app')))
    await lab.crash()
    await ask(`http://127.0.0.1:${(await environmentOf(old?.pid ?? 0)).get('PORT')}`, '/go')
    assert.equal((await answer).text, 'begun slow one')
    await lab.pilot.start()
    await lab.allIsWell()
  })

  test('a restart of the server restarts no app, by SIGTERM or by SIGKILL', async () => {
    const running = await lab.appPids()
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const began = performance.now()
      lab.pilot.signal(signal)
      await lab.pilot.exited()
      assert.ok(performance.now() - began < 30_000)
      assert.ok(await lab.serve())
      await lab.pilot.start()
      assert.deepEqual(await lab.appPids(), running)
    }
  })

  test('SIGTERM during a deploy: it is cancelled with a reason, and nothing of it goes on', async () => {
    const file = lab.mark()
    const { before, pushed } = await lab.pushUntil(
      withScripts({ build: standStill(file) }, serving('never')),
      file,
    )
    const began = performance.now()
    lab.pilot.signal('SIGTERM')
    const rejected = await pushed
    await lab.pilot.exited()
    // the build alone would go on for a quarter of an hour
    assert.ok(performance.now() - began < 60_000)
    assertRejected(rejected, 'cancelled')
    await nothingLeft(lab.pilot.home)
    assert.ok(await lab.serve())
    await lab.pilot.start()
    const [newest] = await deploymentsOf(lab.pilot, 'app')
    assert.equal(newest?.status, 'cancelled')
    await lab.work.git('reset', '-q', '--hard', before)
    await lab.allIsWell()
  })

  test('SIGTERM while an app boots and another push waits: neither goes on', async () => {
    const file = lab.mark()
    const boots = withScripts(
      {},
      `require('node:fs').writeFileSync(${JSON.stringify(file)}, ''); setInterval(() => {}, 1e6)`,
    )
    const { before, pushed } = await lab.pushUntil(boots, file)
    const other = await workTree(hello('waits'))
    let said = ''
    const waiting = other.push(lab.pilot.remote('app'), '+main', {
      onOutput: (text) => {
        said += text
      },
    })
    await until('the second push to wait', () => /waiting for another/.test(said))
    lab.pilot.signal('SIGTERM')
    const ended = await Promise.all([pushed, waiting])
    await lab.pilot.exited()
    await other.remove()
    for (const one of ended) assertRejected(one, 'cancelled')
    await nothingLeft(lab.pilot.home)
    await lab.pilot.start()
    await lab.work.git('reset', '-q', '--hard', before)
    await lab.allIsWell()
  })

  test('SIGTERM during a slow request to an app: the request is answered in full', async () => {
    lab.body = 'patient'
    await lab.work.commit(withScripts({}, slow(lab.body)))
    assertLive(await lab.work.push(lab.pilot.remote('app')))
    const answer = lab.pilot.app('app', '/slow')
    await until(
      'the slow request to arrive',
      async () => (await lab.pilot.app('app', '/held')).text === 'true',
    )
    lab.pilot.signal('SIGTERM')
    await lab.pilot.exited()
    await lab.pilot.app('app', '/go')
    assert.equal((await answer).text, `begun ${lab.body}`)
    await lab.pilot.start()
    await lab.allIsWell()
  })
})
