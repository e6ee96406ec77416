import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { app, hello } from '../testing/apps.ts'
import { interrupt } from '../testing/command.ts'
import { assertLive, assertRejected } from '../testing/git-output.ts'
import { nothingLeft } from '../testing/leftovers.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { processesOf } from '../testing/processes.ts'
import { answered, deploymentsOf } from '../testing/project.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import { type Files, type WorkTree, workTree } from '../testing/work-tree.ts'

/** Builds that take all they can get, and builds that are called off. Their neighbours must not notice. */
describe('greedy and cancelled builds', { timeout: 180_000 }, () => {
  let folder: string
  let home: string
  let pilot: Pilot
  const trees: WorkTree[] = []

  before(async () => {
    folder = await temporaryDirectory('greedy')
    home = join(folder, 'h')
    await mkdir(home)
    const settings = { buildMemoryMb: 300, buildProcesses: 200, maxBuilds: 1 }
    await writeFile(join(home, 'nodepilot.json'), JSON.stringify(settings))
    pilot = await startPilot({ home })
    assertLive(await (await tree(hello('calm'))).push(pilot.remote('calm')), 1)
  })
  after(async () => {
    await pilot?.stop()
    await Promise.all(trees.map((one) => one.remove()))
    await removeDirectory(folder)
  })

  const tree = async (files: Files) => {
    const made = await workTree(files)
    trees.push(made)
    return made
  }
  const builds = (build: string) => app('', { scripts: { build, start: 'node server.js' } })

  const greedy: readonly (readonly [what: string, build: string, code: string])[] = [
    ['fork bomb', 'b() { b & b & sleep 5; }; b', 'build_failed'],
    [
      'memory hog',
      `node -e "const a = []; setInterval(() => a.push(Buffer.alloc(2e7, 1)), 20)" & wait`,
      'out_of_memory',
    ],
  ]
  for (const [what, build, code] of greedy) {
    test(`a ${what} fails its own build; panel and apps answer all the while`, async () => {
      const load = pilot.load('calm', { rate: 50, timeoutMs: 10_000 })
      const work = await tree(builds(build))
      const pushing = work.push(pilot.remote('greedy'))
      let asked = 0
      let done = false
      void pushing.finally(() => {
        done = true
      })
      while (!done) {
        answered(await pilot.api('/api/project/list', { timeoutMs: 10_000 }))
        asked++
      }
      assertRejected(await pushing, code)
      const report = await load.stop()
      assert.equal(report.lostCount, 0, JSON.stringify(report.lost))
      assert.ok(report.ok > 0 && asked > 0)
      await nothingLeft(home)
    })
  }

  test('of three pushes at once one builds, the next hears so, and all go live', async () => {
    const go = join(folder, 'go')
    const slow = app(hello('slow')['server.js'] as string, {
      scripts: { build: `until [ -e ${go} ]; do sleep 0.1; done`, start: 'node server.js' },
    })
    let said = ''
    const onOutput = (text: string) => {
      said += text
    }
    const pushes = ['one', 'two', 'three'].map(async (name) =>
      (await tree(slow)).push(pilot.remote(name), 'main', { onOutput }),
    )
    await until('the second to wait', () => said.includes('waiting for another build on this machine'))
    await until('the third to wait', () => said.includes('waiting for 2 other builds on this machine'))
    await writeFile(go, '')
    for (const pushed of pushes) assertLive(await pushed, 1)
  })

  test('what has nothing to build goes live while somebody else builds for long', async () => {
    const work = await tree(builds('sleep 300'))
    const long = work.push(pilot.remote('long'))
    await until('it builds', async () => (await hidden('long')).length > 0)
    const hotfix = await (await tree(hello('calm, mended'))).push(pilot.remote('hotfix'))
    assertLive(hotfix, 1)
    assert.doesNotMatch(hotfix.all, /waiting/)
    const site = await (await tree({ 'index.html': 'hello' })).push(pilot.remote('site'))
    assertLive(site, 1)
    assert.doesNotMatch(site.all, /waiting/)
    const [newest] = await deploymentsOf(pilot, 'long')
    answered(
      await pilot.api(`/api/project/long/deployments/${newest?.number}/cancel`, { method: 'POST' }),
      202,
    )
    assertRejected(await long, 'cancelled')
  })

  /** What hides: double-forked, in a session of its own, without a word of its environment. */
  const hider = `(env -i setsid sh -c '(trap : TERM; while :; do sleep 7; done) & sleep 300' &)`
  const stay = `${hider}; ${hider}; sleep 300`
  const spawnsHider = `require('node:child_process').spawn('sh', ['-c', ${JSON.stringify(hider)}], { stdio: 'ignore' })`
  const steps: readonly (readonly [step: string, files: Files])[] = [
    ['Install', app('', { scripts: { preinstall: stay, start: 'node server.js' } })],
    ['Build', builds(stay)],
    ['Release', { ...app(''), Procfile: `web: node server.js\nrelease: ${stay}\n` }],
    ['Start', app(`${spawnsHider}; setInterval(() => {}, 1000)`)],
    ['Health', app(`${spawnsHider}; ${(hello('x', 's.statusCode = 500')['server.js'] as string) ?? ''}`)],
  ]
  for (const [step, files] of steps) {
    test(`cancelled by the API in ${step}, nothing of it is left a moment later`, async () => {
      const name = `cancel-${step.toLowerCase()}`
      const work = await tree(files)
      const pushing = work.push(pilot.remote(name))
      await until(`${step} is under way and has children`, async () => {
        const answer = await pilot.api(`/api/project/${name}/deployments`)
        if (answer.status !== 200) return false
        const [newest] = answer.json<{ deployments: { steps: { name: string; status: string }[] }[] }>()
          .deployments
        const running = newest?.steps.some((one) => one.name === step && one.status === 'running')
        return running && (await hidden(name)).length >= 2
      })
      const [newest] = await deploymentsOf(pilot, name)
      answered(
        await pilot.api(`/api/project/${name}/deployments/${newest?.number}/cancel`, { method: 'POST' }),
        202,
      )
      await nothingHidden(name)
      assertRejected(await pushing, 'cancelled')
      await nothingLeft(home)
    })
  }
  const hidden = (project: string) => processesOf(join(home, 'projects', project))
  /** Half a second on a machine of one's own. By itself it would stay for 300 s, and a part of it for ever. */
  const nothingHidden = (project: string) =>
    until('nothing is left', async () => (await hidden(project)).length === 0, 10_000)

  test('Ctrl-C of the git client ends all of it a moment later too', async () => {
    const work = await tree(builds(stay))
    let client: ChildProcess | undefined
    const pushing = work.push(pilot.remote('ctrl-c'), 'main', {
      onOutput: (_text, child) => {
        client = child
      },
    })
    await until('it has children', async () => (await hidden('ctrl-c')).length >= 2)
    interrupt(client ?? assert.fail('the client has said nothing'))
    assert.notEqual((await pushing).code, 0)
    await nothingHidden('ctrl-c')
    await until('it is written down', async () => {
      const [newest] = await deploymentsOf(pilot, 'ctrl-c')
      return newest?.status === 'cancelled'
    })
    await nothingLeft(home)
  })
})
