import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { command } from '../testing/command.ts'
import { assertLive } from '../testing/git-output.ts'
import { runningApps } from '../testing/leftovers.ts'
import { answered, projectOf } from '../testing/project.ts'
import { serving, TwoApps, withScripts } from '../testing/two-apps.ts'
import { until } from '../testing/until.ts'
import { workTree } from '../testing/work-tree.ts'

/** What a busy machine may add to the start of a process; nothing else would bring it back at all. */
const busyMs = 4_000

describe('apps, router and PM2 killed', { timeout: 200_000 }, () => {
  let lab: TwoApps

  before(async () => {
    lab = await TwoApps.start()
  })
  beforeEach(() => lab.standUp())
  after(() => lab?.stop())

  test('SIGKILL of an app: it is started again, and its project serves', async () => {
    const [app] = await runningApps(lab.pilot.home, 'app')
    process.kill(app?.pid ?? 0, 'SIGKILL')
    await until('another process', async () => {
      const [now] = await runningApps(lab.pilot.home, 'app')
      return now && now.pid !== app?.pid
    })
    await until('the app to answer', () => lab.serve())
    const project = await projectOf(lab.pilot, 'app')
    assert.equal(project.instances[0]?.restarts, 1)
    await lab.allIsWell()
  })

  test('SIGKILL of the router: it is back within two seconds with its table, and no app has restarted', async () => {
    const running = await lab.appPids()
    const router = await lab.routerPid()
    process.kill(router, 'SIGKILL')
    const began = performance.now()
    await until('the front door to answer again', () => lab.serve())
    const took = performance.now() - began
    assert.ok(took < 2_000 + busyMs, `${Math.round(took)} ms`)
    assert.notEqual(await lab.routerPid(), router)
    assert.deepEqual(await lab.appPids(), running)
    await lab.allIsWell()
  })

  test('SIGKILL of the router again and again while the server is away: within two seconds it serves, and nobody is refused', async () => {
    await lab.crash()
    for (let round = 0; round < 3; round++) {
      process.kill(await lab.routerPid(), 'SIGKILL')
      const began = performance.now()
      // not asked again: who comes while it is away waits
      assert.ok(await lab.serve())
      const took = performance.now() - began
      assert.ok(took < 2_000 + busyMs, `${Math.round(took)} ms`)
    }
    await lab.pilot.start()
    await lab.allIsWell()
  })

  test("SIGKILL of the router's keeper, and of the router then: both are back, and no app has restarted", async () => {
    const running = await lab.appPids()
    const router = await lab.routerPid()
    process.kill(await lab.keeperPid(), 'SIGKILL')
    await until('another router', async () => (await lab.routerPid().catch(() => router)) !== router)
    process.kill(await lab.routerPid(), 'SIGKILL')
    assert.ok(await lab.serve())
    assert.deepEqual(await lab.appPids(), running)
    await lab.allIsWell()
  })

  test('SIGKILL of PM2: everything runs again, once, within 15 seconds; the front door goes on', async () => {
    const began = performance.now()
    const router = await lab.routerPid()
    await lab.mended(await lab.killDaemon())
    assert.ok(performance.now() - began < 15_000)
    assert.equal(await lab.routerPid(), router)
    await lab.allIsWell()
  })

  test('SIGKILL of PM2 while the server is away: the next start brings everything back, once', async () => {
    await lab.crash()
    const before = await lab.killDaemon()
    await lab.pilot.start()
    await lab.mended(before)
    await lab.allIsWell()
  })

  for (const [step, filesWith] of [
    [
      'build',
      (file: string, go: string) =>
        withScripts({ build: `touch ${file}; until [ -e ${go} ]; do sleep 0.05; done` }, serving('survived')),
    ],
    [
      'boot',
      (file: string, go: string) =>
        withScripts(
          {},
          `const fs = require('node:fs'); fs.writeFileSync(${JSON.stringify(file)}, '')
const wait = setInterval(() => { if (fs.existsSync(${JSON.stringify(go)})) { clearInterval(wait); ${serving('survived')} } }, 20)`,
        ),
    ],
  ] as const) {
    test(`SIGKILL of PM2 during ${step}: the push goes live, and everything runs once`, async () => {
      const [file, go] = [lab.mark(), lab.mark()]
      const { pushed } = await lab.pushUntil(filesWith(file, go), file)
      await lab.mended(await lab.killDaemon())
      await command('touch', [go])
      const result = await pushed
      assertLive(result)
      lab.body = 'survived'
      assert.ok(result.ms < 40_000, `${result.ms} ms`)
      await lab.allIsWell()
    })
  }

  test('an app that cannot start again after the loss does not keep the others down', async () => {
    const fragile = await workTree(
      withScripts(
        {},
        `if (require('node:fs').existsSync(${JSON.stringify(join(lab.folder, 'broken'))})) process.exit(1); ${serving('fragile')}`,
      ),
    )
    assertLive(await fragile.push(lab.pilot.remote('fragile')))
    await command('touch', [join(lab.folder, 'broken')])
    await lab.mended(await lab.killDaemon())
    await until('the broken one to answer 502 or 503', async () =>
      [502, 503].includes((await lab.pilot.app('fragile')).status),
    )
    answered(await lab.pilot.api('/api/project/fragile', { method: 'DELETE' }), 204)
    await fragile.remove()
    await lab.allIsWell()
  })
})
