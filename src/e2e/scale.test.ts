import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { app } from '../testing/apps.ts'
import type { Answer } from '../testing/ask.ts'
import type { Load, LoadReport } from '../testing/load.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { appProcesses, isAlive } from '../testing/processes.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

interface Seen {
  readonly processes: Readonly<Record<string, number>>
  readonly instances: readonly {
    readonly name: string
    readonly pid: number | null
    readonly port: number | null
    readonly status: string
    readonly restarts: number
  }[]
}

/**
 * Says which instance answers. While there is a file `hold` in its data folder, only the first one starts; while
 * there is `hold.web.2`, that one does not.
 */
const server = `const { existsSync } = require('node:fs')
const { NODEPILOT_INSTANCE: name, NODEPILOT_DATA_DIR: data, PORT } = process.env
const listen = () => require('node:http').createServer((q, s) => s.end(name)).listen(PORT)
const held = () => (name !== 'web.1' && existsSync(data + '/hold')) || existsSync(data + '/hold.' + name)
;(function begin() { held() ? setTimeout(begin, 50) : listen() })()
`
const files = {
  ...app(server),
  'work.js': `setInterval(() => console.log('at work'), 1000)`,
  Procfile: 'web: node server.js\nworker: node work.js\n',
}

describe('instances and process types', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let tree: WorkTree

  before(async () => {
    pilot = await startPilot()
    tree = await workTree(files)
    const pushed = await tree.push(pilot.remote('shop'))
    assert.equal(pushed.code, 0, pushed.all)
  })
  after(async () => {
    await tree?.remove()
    await pilot?.stop()
  })

  const show = async () => (await pilot.api('/api/project/shop')).json<{ project: Seen }>().project
  const scale = (body: object) => pilot.api('/api/project/shop/scale', { method: 'POST', body })
  const names = async () => (await show()).instances.map(({ name }) => name).sort()
  const all = ['web.1', 'web.2', 'web.3', 'worker.1']

  /** Load while something is done; what was lost is told at the end. A stall of the machine is no loss. */
  const under = async (rate: number, work: (load: Load) => Promise<void>): Promise<LoadReport> => {
    const load = pilot.load('shop', { rate, timeoutMs: 30_000 })
    try {
      await load.answered(20)
      await work(load)
    } catch (error) {
      await load.stop()
      throw error
    }
    return load.stop()
  }

  test('under 200 requests a second scaling up and down loses none, and every instance takes its part', async () => {
    const report = await under(200, async (load) => {
      const up = await scale({ web: 3 })
      assert.equal(up.status, 200, up.text)
      assert.deepEqual(up.json<{ project: Seen }>().project.processes, { web: 3, worker: 1 })
      await load.answered(300)
      assert.deepEqual(await names(), all)
      assert.equal((await scale({ web: 1 })).status, 200)
      await load.answered(100)
    })
    assert.deepEqual(report.lost, {})
    for (const name of ['web.1', 'web.2', 'web.3']) {
      assert.ok((report.bodies.get(name) ?? 0) > 50, `${name}: ${report.bodies.get(name)}`)
    }
    await until('the others have ended', async () => (await appProcesses(pilot.home, 'shop')).length === 2)
  })

  test('a deployment, a restart and a rollback start all of each type, and lose nothing', async () => {
    assert.equal((await scale({ web: 3, worker: 2 })).status, 200)
    const report = await under(100, async (load) => {
      await tree.commit({ 'note.txt': 'two' })
      const pushed = await tree.push(pilot.remote('shop'))
      assert.equal(pushed.code, 0, pushed.all)
      assert.match(pushed.all, /3 x Procfile: node server\.js/)
      assert.equal((await pilot.api('/api/project/shop/restart', { method: 'POST' })).status, 200)
      const back = await pilot.api('/api/project/shop/rollback', { method: 'POST', body: {} })
      assert.equal(back.status, 200, back.text)
      await load.answered(50)
    })
    assert.deepEqual(report.lost, {})
    assert.deepEqual(await names(), [...all, 'worker.2'])
    await until(
      'only the newest generation runs',
      async () => (await appProcesses(pilot.home, 'shop')).length === 5,
    )
    assert.equal((await scale({ web: 1, worker: 1 })).status, 200)
  })

  test('one process type is restarted alone: the others keep their processes', async () => {
    assert.equal((await scale({ web: 1, worker: 1 })).status, 200)
    const restart = (type: string) =>
      pilot.api('/api/project/shop/restart', { method: 'POST', body: { type } })
    const pid = async (name: string) => (await show()).instances.find((one) => one.name === name)?.pid
    const [web, worker] = [await pid('web.1'), await pid('worker.1')]
    assert.equal((await restart('worker')).status, 200)
    assert.equal(await pid('web.1'), web)
    const fresh = await until('another worker runs', async () => {
      const now = await pid('worker.1')
      return now && now !== worker ? now : null
    })
    const report = await under(100, async (load) => {
      assert.equal((await restart('web')).status, 200)
      await load.answered(50)
    })
    assert.deepEqual(report.lost, {})
    assert.equal(await pid('worker.1'), fresh)
    assert.notEqual(await pid('web.1'), web)
    await until('nothing old is left', async () => (await appProcesses(pilot.home, 'shop')).length === 2)
    const wrong = await restart('wrk')
    assert.equal(wrong.status, 422, wrong.text)
    assert.match(wrong.json<{ hint: string }>().hint, /web, worker/)
  })

  test('a worker that is killed is started again, and the project says so', async () => {
    const worker = async () => (await show()).instances.find(({ name }) => name === 'worker.1')
    const before = await worker()
    assert.ok(before?.pid)
    process.kill(before.pid, 'SIGKILL')
    const again = await until('it runs again', async () => {
      const now = await worker()
      return now?.pid && now.pid !== before.pid && now.status === 'online' ? now : null
    })
    assert.equal(again.restarts, before.restarts + 1)
  })

  test('a client of a sticky project comes back to its instance, over a deployment, and to another one in its place', async () => {
    const change = { method: 'PATCH', body: { sticky: true } } as const
    assert.equal((await pilot.api('/api/project/shop', change)).status, 200)
    assert.equal((await scale({ web: 3 })).status, 200)
    const first = await pilot.app('shop')
    let cookie = cookieOf(first) ?? ''
    assert.match(cookie, /^nodepilot_instance=/)
    const visit = async () => {
      const answer = await pilot.app('shop', '/', { headers: { cookie } })
      cookie = cookieOf(answer) ?? cookie
      return `${answer.status} ${answer.text}`
    }
    const visits = async (count: number) => {
      const found = new Set<string>()
      for (let n = 0; n < count; n++) found.add(await visit())
      return [...found]
    }
    assert.deepEqual(await visits(30), [`200 ${first.text}`])

    const during = new Set<string>()
    await tree.commit({ 'note.txt': 'sticky' })
    const push = tree.push(pilot.remote('shop'))
    let pushed = false
    push.finally(() => {
      pushed = true
    })
    while (!pushed) during.add(await visit())
    assert.equal((await push).code, 0)
    for (const answer of await visits(30)) during.add(answer)
    assert.deepEqual([...during], [`200 ${first.text}`])

    const mine = (await show()).instances.find(({ name }) => name === first.text)
    assert.ok(mine?.pid)
    // it must not be back before the next visit
    const hold = `${pilot.home}/projects/shop/data/hold.${first.text}`
    await writeFile(hold, '')
    process.kill(mine.pid, 'SIGKILL')
    // a zombie whose threads are still ending takes connections, and what it took is lost
    await until('nothing is left of it', () => !existsSync(`/proc/${mine.pid}`))
    const other = await visit()
    assert.match(other, /^200 web\.[123]$/)
    assert.notEqual(other, `200 ${first.text}`)
    await rm(hold)
    await until('the killed one runs again', async () => {
      const now = (await show()).instances.find(({ name }) => name === first.text)
      return now?.status === 'online' && now.pid !== mine.pid
    })
    assert.deepEqual(await visits(30), [other])

    const back = { method: 'PATCH', body: { sticky: false } } as const
    assert.equal((await pilot.api('/api/project/shop', back)).status, 200)
    assert.equal((await scale({ web: 1, worker: 1 })).status, 200)
    await until('the others have ended', async () => (await appProcesses(pilot.home, 'shop')).length === 2)
  })

  test('SIGKILL of the server in the middle of a scale: nothing is lost, and the next start mends it', async () => {
    const hold = `${pilot.home}/projects/shop/data/hold`
    await writeFile(hold, '')
    const report = await under(100, async (load) => {
      const asked = scale({ web: 4 }).catch(() => null)
      const onItsWay = async () => (await appProcesses(pilot.home, 'shop')).length > 2
      await until('the first new one is on its way', onItsWay)
      pilot.signal('SIGKILL')
      await pilot.exited()
      await asked
      await load.answered(50)
      await pilot.start()
      const { processes, instances } = await show()
      assert.deepEqual(processes, { web: 1, worker: 1 })
      assert.deepEqual(instances.map(({ name }) => name).sort(), ['web.1', 'worker.1'])
      await until('no stray is left', async () => (await appProcesses(pilot.home, 'shop')).length === 2)
      await load.answered(50)
    })
    assert.deepEqual(report.lost, {})
    await rm(hold)
    assert.equal((await scale({ web: 2 })).status, 200)
  })

  test('when PM2 dies, all instances of all types run again, once', async () => {
    const before = (await show()).instances
    assert.equal(before.length, 3)
    const pid = Number(await readFile(`${pilot.home}/pm2/pm2.pid`, 'utf8'))
    process.kill(pid, 'SIGKILL')
    await until(
      'three new processes run',
      async () => {
        const now = (await show()).instances
        const fresh = now.every(
          (one) => one.pid && one.status === 'online' && !before.some(({ pid: old }) => old === one.pid),
        )
        return fresh && now.length === 3
      },
      30_000,
    )
    await until('the old ones have ended', async () => {
      const old = await Promise.all(before.map(({ pid: one }) => isAlive(one ?? 0)))
      return !old.includes(true) && (await appProcesses(pilot.home, 'shop')).length === 3
    })
  })

  test('a wrong type and a wrong number are refused with what there is', async () => {
    const unknown = await scale({ wrk: 1 })
    assert.equal(unknown.status, 422, unknown.text)
    assert.match(unknown.json<{ hint: string }>().hint, /web, worker/)
    for (const body of [{ web: 51 }, { web: -1 }, { web: 1.5 }, { web: '2' }, {}, { '../x': 1 }]) {
      assert.equal((await scale(body)).status, 422, JSON.stringify(body))
    }
    assert.equal((await show()).instances.length, 3)
  })
})

function cookieOf({ headers }: Answer): string | undefined {
  return headers['set-cookie']?.[0]?.split(';')[0]
}
