import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { app, hello } from '../testing/apps.ts'
import { command } from '../testing/command.ts'
import { assertLive, assertRejected } from '../testing/git-output.ts'
import { nothingLeft, runningApps } from '../testing/leftovers.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import {
  answered,
  deploymentsOf,
  projectOf,
  type ShownDeployment,
  type ShownProblem,
} from '../testing/project.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import { type Files, type WorkTree, workTree } from '../testing/work-tree.ts'

interface ShownRelease {
  readonly number: number
  readonly current: boolean
  readonly available: boolean
}

describe('deployments and releases', { timeout: 300_000 }, () => {
  let pilot: Pilot
  let folder: string
  const trees: WorkTree[] = []

  before(async () => {
    folder = await temporaryDirectory('depl')
    pilot = await startPilot()
  })
  after(async () => {
    await pilot?.stop()
    for (const tree of trees) await tree.remove()
    await removeDirectory(folder)
  })

  const tree = async (files: Files) => {
    const made = await workTree(files)
    trees.push(made)
    return made
  }
  const post = (path: string, body: object = {}) =>
    pilot.api(`/api/project/${path}`, { method: 'POST', body })
  const releasesOf = async (name: string) =>
    answered(await pilot.api(`/api/project/${name}/releases`)).json<{ releases: ShownRelease[] }>().releases
  const building = (file: string, go: string, body: string): Files => ({
    ...hello(body),
    'package.json': JSON.stringify({
      name: 'app',
      version: '1.0.0',
      scripts: {
        build: `echo build began; touch ${file}; until [ -e ${go} ]; do sleep 0.05; done; echo build ended`,
        start: 'node server.js',
      },
    }),
  })
  /** Pushes and resolves when the build stands still; `go` lets it on. */
  const pushBuild = async (name: string, work: WorkTree, body: string) => {
    const [file, go] = [join(folder, `${name}-file-${body}`), join(folder, `${name}-go-${body}`)]
    await work.commit(building(file, go, body))
    const pushed = work.push(pilot.remote(name))
    await until('the build to begin', () => existsSync(file))
    return { pushed, go: () => command('touch', [go]) }
  }

  test('the log of a running deployment can be read and followed to its end', async () => {
    const work = await tree(hello('one'))
    assertLive(await work.push(pilot.remote('logs')), 1)
    const { pushed, go } = await pushBuild('logs', work, 'two')
    const project = await projectOf(pilot, 'logs')
    assert.equal(project.deploying, true)
    const [running] = await deploymentsOf(pilot, 'logs')
    assert.equal(running?.status, 'running')
    const log = `/api/project/logs/deployments/${running?.number}/log`
    await until('its output', async () => answered(await pilot.api(log)).text.includes('| build began'))
    const followed = follow(`${log}?follow=1`)
    await until('the first events', () => followed.text().includes('| build began'))
    assert.doesNotMatch(followed.text(), /^data: {3}\| build ended/m)
    await go()
    assertLive(await pushed, 2)
    const events = await followed.ended
    assert.match(events, /^data: {3}\| build ended$/m)
    assert.match(events, /data: success: v2 is live/)
    assert.match(events, /event: end\ndata: live/)
    const later = follow(`${log}?follow=1`, { 'last-event-id': '3' })
    assert.match(await later.ended, /^retry: \d+\n\nid: 4\n/)
  })

  test('a follower who leaves in the middle disturbs nobody', async () => {
    const work = await tree(hello('one'))
    assertLive(await work.push(pilot.remote('leaver')), 1)
    const { pushed, go } = await pushBuild('leaver', work, 'two')
    const [running] = await deploymentsOf(pilot, 'leaver')
    const followed = follow(`/api/project/leaver/deployments/${running?.number}/log?follow=1`)
    await until('the first events', () => followed.text() !== '')
    followed.leave()
    await go()
    assertLive(await pushed, 2)
  })

  test('a deployment can be cancelled; the client hears it and nothing of it goes on', async () => {
    const work = await tree(hello('one'))
    assertLive(await work.push(pilot.remote('cancels')), 1)
    const { pushed } = await pushBuild('cancels', work, 'never')
    const [running] = await deploymentsOf(pilot, 'cancels')
    answered(await post(`cancels/deployments/${running?.number}/cancel`), 202)
    assertRejected(await pushed, 'cancelled')
    const [ended] = await deploymentsOf(pilot, 'cancels')
    assert.equal(ended?.status, 'cancelled')
    assert.equal((await pilot.app('cancels')).text, 'one')
    assert.equal((await post(`cancels/deployments/${running?.number}/cancel`)).status, 409)
    await nothingLeft(pilot.home)
  })

  test('rollback goes to the release before, twice undoes itself, and numbers only rise', async () => {
    const work = await tree(hello('v1'))
    for (let i = 1; i <= 3; i++) {
      await work.commit(hello(`v${i}`))
      assertLive(await work.push(pilot.remote('back')), i)
    }
    const back = async (body: object) => {
      const answer = answered(await post('back/rollback', body))
      return answer.json<{ deployment: ShownDeployment; project: { release: number } }>()
    }
    const first = await back({})
    assert.equal(first.project.release, 4)
    assert.equal(first.deployment.source.kind, 'release')
    assert.equal((await pilot.app('back')).text, 'v2')
    await back({})
    assert.equal((await pilot.app('back')).text, 'v3')
    await back({ release: 1 })
    assert.equal((await pilot.app('back')).text, 'v1')
    assert.equal((await projectOf(pilot, 'back')).release, 6)
    await work.commit(hello('v7'))
    assertLive(await work.push(pilot.remote('back')), 7)
    assert.equal((await pilot.app('back')).text, 'v7')
  })

  test('rollback keeps the config vars of today, and restoreEnv brings the old ones back', async () => {
    const echo = app(
      `require('node:http').createServer((q, s) => s.end(process.env.MODE + ' ' + process.env.NODEPILOT_RELEASE)).listen(process.env.PORT)`,
    )
    answered(await post('create', { name: 'vars', envVars: { MODE: 'old' } }), 201)
    const work = await tree(echo)
    assertLive(await work.push(pilot.remote('vars')), 1)
    answered(await pilot.api('/api/project/vars/env', { method: 'PUT', body: { MODE: 'new' } }))
    assert.equal((await pilot.app('vars')).text, 'new v2')
    answered(await post('vars/rollback', { release: 1 }))
    assert.equal((await pilot.app('vars')).text, 'new v3')
    answered(await post('vars/rollback', { release: 1, restoreEnv: true }))
    assert.equal((await pilot.app('vars')).text, 'old v4')
    const { envVars } = answered(await pilot.api('/api/project/vars/env')).json<{ envVars: object }>()
    assert.deepEqual(envVars, { MODE: 'old' })
  })

  test('of seven releases five are kept; kept ones come back whole, pruned ones are refused', async () => {
    const local = {
      'lib/package.json': '{"name":"lib","version":"1.0.0"}',
      'lib/index.js': 'module.exports = "lib"',
    }
    const withModules = (body: string): Files => ({
      ...app(
        `const lib = require('lib')
require('node:http').createServer((q, s) => s.end(lib + ' ${body}')).listen(process.env.PORT)`,
        { dependencies: { lib: 'file:lib' } },
      ),
      ...local,
    })
    const work = await tree(withModules('0'))
    for (let i = 1; i <= 7; i++) {
      await work.commit(withModules(String(i)))
      assertLive(await work.push(pilot.remote('seven')), i)
    }
    await nothingLeft(pilot.home)
    const kept = async () => (await readdir(join(pilot.home, 'projects', 'seven', 'releases'))).sort()
    await until('the old ones to be pruned', async () => (await kept()).length === 5)
    assert.deepEqual(await kept(), ['3', '4', '5', '6', '7'])
    assert.deepEqual(
      (await releasesOf('seven')).filter(({ available }) => available).map(({ number }) => number),
      [7, 6, 5, 4, 3],
    )
    const pruned = await post('seven/rollback', { release: 2 })
    assert.equal(pruned.status, 409)
    assert.match((pruned.json<unknown>() as ShownProblem).hint ?? '', /v7, v6, v5, v4, v3/)
    for (const release of [3, 5]) {
      answered(await post('seven/rollback', { release }))
      assert.equal((await pilot.app('seven')).text, `lib ${release}`)
    }
    await nothingLeft(pilot.home)
    for (let i = 0; i < 4; i++) answered(await post('seven/rollback', { release: 3 }))
    await nothingLeft(pilot.home)
    assert.equal((await pilot.app('seven')).text, 'lib 3')
    // the server must not lose what is linked
    pilot.signal('SIGTERM')
    await pilot.exited()
    await pilot.start()
    answered(await post('seven/restart'))
    assert.equal((await pilot.app('seven')).text, 'lib 3')
  })

  test('stop answers 503 and ends the process, start brings the same release back, twice is the same as once', async () => {
    const work = await tree(hello('switch'))
    assertLive(await work.push(pilot.remote('switch')), 1)
    for (let i = 0; i < 2; i++) {
      assert.equal(
        answered(await post('switch/stop')).json<{ project: { status: string } }>().project.status,
        'stopped',
      )
      assert.equal((await pilot.app('switch')).status, 503)
      assert.deepEqual(await runningApps(pilot.home, 'switch'), [])
    }
    for (let i = 0; i < 2; i++) {
      answered(await post('switch/start'))
      assert.equal((await pilot.app('switch')).text, 'switch')
    }
    assert.equal((await projectOf(pilot, 'switch')).release, 1)
    await nothingLeft(pilot.home)
  })

  test('a stopped project stays stopped over a restart of the server; a push starts it', async () => {
    const work = await tree(hello('sleeps'))
    assertLive(await work.push(pilot.remote('sleeps')), 1)
    answered(await post('sleeps/stop'))
    pilot.signal('SIGKILL')
    await pilot.exited()
    await pilot.start()
    assert.equal((await pilot.app('sleeps')).status, 503)
    await work.commit(hello('awake'))
    assertLive(await work.push(pilot.remote('sleeps')), 2)
    assert.equal((await pilot.app('sleeps')).text, 'awake')
  })

  test('restarts, rollbacks and config vars under load lose no request', async () => {
    const work = await tree(hello('busy'))
    assertLive(await work.push(pilot.remote('busy')), 1)
    await work.commit(hello('busy 2'))
    assertLive(await work.push(pilot.remote('busy')), 2)
    const load = pilot.load('busy', { rate: 100 })
    await load.answered(20)
    answered(await post('busy/restart'))
    answered(await post('busy/rollback'))
    answered(await pilot.api('/api/project/busy/env', { method: 'PATCH', body: { A: '1' } }))
    answered(await post('busy/restart'))
    await load.answered(20)
    const report = await load.stop()
    assert.deepEqual(report.lost, {})
    await nothingLeft(pilot.home)
  })

  test('a project deleted during its deployment leaves nothing, and its name can be used again', async () => {
    const work = await tree(hello('one'))
    assertLive(await work.push(pilot.remote('doomed')), 1)
    const { pushed } = await pushBuild('doomed', work, 'never')
    const waiting = await tree(hello('waits'))
    let said = ''
    const waits = waiting.push(pilot.remote('doomed'), '+main', {
      onOutput: (text) => {
        said += text
      },
    })
    await until('the second push to wait', () => /waiting for another/.test(said))
    answered(await pilot.api('/api/project/doomed', { method: 'DELETE' }), 204)
    assertRejected(await pushed, 'cancelled')
    const late = await waits
    assert.notEqual(late.code, 0)
    assert.doesNotMatch(late.all, /internal/)
    await until(
      'its traces to go',
      async () => (await command('find', [pilot.home, '-name', '*doomed*'])).out === '',
    )
    await nothingLeft(pilot.home)
    assert.equal((await pilot.app('doomed')).status, 404)
    assertLive(await (await tree(hello('reborn'))).push(pilot.remote('doomed')), 1)
    assert.equal((await pilot.app('doomed')).text, 'reborn')
  })

  test('an API deployment whose client leaves is cancelled', async () => {
    const work = await tree(hello('one'))
    assertLive(await work.push(pilot.remote('left')), 1)
    const file = join(folder, 'left-file')
    await work.commit(building(file, join(folder, 'left-never'), 'never'))
    const stored = await work.push(pilot.remote('left'), 'HEAD:refs/heads/side')
    assert.equal(stored.code, 0, stored.all)
    const headers = { authorization: `Bearer ${pilot.token}`, 'content-type': 'application/json' }
    const sent = request({
      host: '127.0.0.1',
      port: pilot.port,
      path: '/api/project/left/deploy',
      method: 'POST',
      headers,
    })
    sent.on('error', () => {})
    sent.end('{"ref":"side"}')
    await until('the build to begin', () => existsSync(file))
    sent.destroy()
    await until(
      'the deployment to end',
      async () => (await deploymentsOf(pilot, 'left'))[0]?.status === 'cancelled',
    )
    await nothingLeft(pilot.home)
    assert.equal((await pilot.app('left')).text, 'one')
  })

  /** Server-sent events as they come. */
  function follow(path: string, more: Record<string, string> = {}) {
    let text = ''
    const headers = { authorization: `Bearer ${pilot.token}`, ...more }
    const sent = request({ host: '127.0.0.1', port: pilot.port, path, headers })
    const ended = new Promise<string>((resolve, reject) => {
      sent.on('response', (response) => {
        response.setEncoding('utf8').on('data', (piece: string) => {
          text += piece
        })
        response.on('end', () => resolve(text))
        response.on('error', reject)
      })
      sent.on('error', reject)
    })
    ended.catch(() => {})
    sent.end()
    return { text: () => text, ended, leave: () => sent.destroy() }
  }
})
