import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { app } from '../testing/apps.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { appProcesses, isAlive } from '../testing/processes.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

interface Seen {
  readonly status: string
  readonly instances: readonly {
    readonly name: string
    readonly pid: number | null
    readonly status: string
    readonly restarts: number
    readonly memoryBytes: number
    readonly problem: string | null
    readonly lastLines: readonly string[]
    readonly lastExit: { readonly reason: string; readonly message: string } | null
  }[]
}

/** `/eat?mb=` holds that much outside of the heap; `/leak` fills the heap; `/crash` ends it. */
const server = `const kept = []
require('node:http').createServer((q, s) => {
  const url = new URL(q.url, 'http://x')
  if (url.pathname === '/stubborn') process.on('SIGTERM', () => {})
  if (url.pathname === '/eat') kept.push(Buffer.alloc(Number(url.searchParams.get('mb')) * 1e6, 1))
  if (url.pathname === '/leak') setInterval(() => { for (let i = 0; i < 2e5; i++) kept.push({ i, at: Math.random() }) }, 1)
  if (url.pathname === '/crash') { console.error('Error: the till is on fire'); setTimeout(() => process.exit(3), 20) }
  if (url.pathname === '/child') require('node:child_process').spawn(process.execPath, ['-e', 'const b = Buffer.alloc(200e6, 1); setInterval(() => b.length, 1000)'])
  s.end(JSON.stringify({ pid: process.pid, options: process.env.NODE_OPTIONS ?? null }))
}).listen(process.env.PORT)
`

describe('memory limits and crash loops', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let tree: WorkTree

  before(async () => {
    pilot = await startPilot()
    const made = { name: 'shop' }
    assert.equal((await pilot.api('/api/project/create', { method: 'POST', body: made })).status, 201)
    await set({ memoryLimitMb: 160 })
    tree = await workTree(app(server))
    const pushed = await tree.push(pilot.remote('shop'))
    assert.equal(pushed.code, 0, pushed.all)
  })
  after(async () => {
    await tree?.remove()
    await pilot?.stop()
  })

  const set = async (body: object) => {
    const answer = await pilot.api('/api/project/shop', { method: 'PATCH', body })
    assert.equal(answer.status, 200, answer.text)
  }
  const show = async () => (await pilot.api('/api/project/shop')).json<{ project: Seen }>().project
  const web = async () => (await show()).instances.find(({ name }) => name === 'web.1')
  const restart = async () => {
    const answer = await pilot.api('/api/project/shop/restart', { method: 'POST', body: {} })
    assert.equal(answer.status, 200, answer.text)
  }
  const pidOf = async () => (await pilot.app('shop')).json<{ pid: number }>().pid
  /** Until no process of that pid runs, ms. */
  const endOf = async (pid: number): Promise<number> => {
    const began = performance.now()
    await until('it has ended', async () => !(await isAlive(pid)), 30_000)
    return performance.now() - began
  }

  test('the heap of an app is limited by what the project may use, unless the app says its own', async () => {
    const { options } = (await pilot.app('shop')).json<{ options: string }>()
    assert.equal(options, '--max-old-space-size=106')
  })

  test('an instance over its limit is ended within two seconds, though it ignores SIGTERM, and starts again', async () => {
    const pid = await pidOf()
    await pilot.app('shop', '/stubborn')
    void pilot.app('shop', '/eat?mb=150').catch(() => null)
    const ms = await endOf(pid)
    // two seconds, and what a busy machine adds; nothing else would end it at all
    assert.ok(ms < 6_000, `${Math.round(ms)} ms`)
    const now = await until('it runs again', async () => {
      const one = await web()
      return one?.status === 'online' && one.restarts > 0 && one.lastExit ? one : null
    })
    assert.equal(now.lastExit?.reason, 'out_of_memory')
    assert.match(now.lastExit?.message ?? '', /^it used \d+ MB and was ended: its memory limit is 160 MB$/)
    const { entries } = (await pilot.api('/api/audit')).json<{
      entries: { action: string; after: object }[]
    }>()
    const entry = entries.find(({ action }) => action === 'process.out_of_memory')
    assert.deepEqual(entry?.after, { instance: 'web.1', release: 1, action: 'restart' })
    assert.match((await pilot.api('/metrics')).text, /nodepilot_out_of_memory_total\{project="shop"\} 1\n/)
  })

  test('what an instance has started counts with it', async () => {
    await restart()
    const pid = await pidOf()
    await pilot.app('shop', '/child')
    await endOf(pid)
    await until('nothing else is left', async () => (await appProcesses(pilot.home, 'shop')).length === 1)
  })

  test('a full heap is told from a crash, in words of V8', async () => {
    await restart()
    const pid = await pidOf()
    await pilot.app('shop', '/leak').catch(() => null)
    await endOf(pid)
    const seen = await until('the end is known', async () => (await web())?.lastExit)
    assert.equal(seen.reason, 'out_of_memory')
  })

  test('with memoryAction fail it stays ended and says so, over a restart of the server, until a restart', async () => {
    await restart()
    await set({ memoryAction: 'fail' })
    const pid = await pidOf()
    void pilot.app('shop', '/eat?mb=150').catch(() => null)
    await endOf(pid)
    const failed = await until('it is known', async () => {
      const now = await show()
      return now.status === 'error' && now.instances[0]?.problem ? now : null
    })
    const [one] = failed.instances
    assert.equal(one?.status, 'errored')
    assert.match(one?.problem ?? '', /memory limit is 160 MB; it stays ended/)
    assert.equal((await pilot.app('shop')).status, 503)
    pilot.signal('SIGTERM')
    await pilot.exited()
    await pilot.start()
    assert.deepEqual(await appProcesses(pilot.home, 'shop'), [])
    assert.equal((await show()).status, 'error')
    await restart()
    assert.equal((await pilot.app('shop')).status, 200)
    assert.equal((await show()).status, 'running')
    await set({ memoryAction: 'restart' })
  })

  test('an app that needs too much while it starts fails the deployment with the numbers', async () => {
    await tree.commit({ 'server.js': `const b = Buffer.alloc(300e6, 1)\nsetInterval(() => b.length, 1000)` })
    const pushed = await tree.push(pilot.remote('shop'))
    assert.notEqual(pushed.code, 0)
    const said = pushed.all.replaceAll(/\s*\nremote: +/g, ' ')
    assert.match(said, /error: out_of_memory: the app used \d+ MB and was ended: its memory limit is 160 MB/)
    assert.match(said, /raise memoryLimitMb above \d+ MB/)
    assert.equal((await pilot.app('shop')).status, 200)
  })

  test('a crash loop is tried ever more slowly and ends in error with the last lines; a restart clears it', async () => {
    await tree.commit({ 'server.js': server })
    const crash = () => pilot.app('shop', '/crash').catch(() => null)
    for (let n = 0; n < 3; n++) {
      const pid = await until('it answers', async () => {
        const answer = await pilot.app('shop').catch(() => null)
        return answer?.status === 200 ? answer.json<{ pid: number }>().pid : null
      })
      await crash()
      await endOf(pid)
    }
    const seen = await until('it is in error', async () => {
      const now = await show()
      return now.status === 'error' ? now : null
    })
    const [one] = seen.instances
    assert.match(one?.problem ?? '', /^it exited with code 3 and was started again \d+ times$/)
    assert.ok(one?.lastLines.includes('Error: the till is on fire'), one?.lastLines.join('\n'))
    assert.equal(one?.lastExit?.reason, 'crashed')
    await restart()
    assert.equal((await show()).status, 'running')
  })
})
