import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { app } from '../testing/apps.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { appProcesses } from '../testing/processes.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

interface Seen {
  readonly status: string
  readonly instances: readonly { name: string; pid: number | null; port: number | null; status: string }[]
}

const server = `const { isWorker } = require('node:cluster')
require('node:http').createServer((q, s) => {
  const { NODEPILOT_INSTANCE: name, NODE_APP_INSTANCE: number } = process.env
  if (q.url === '/who') return s.end(name)
  if (q.url === '/crash') process.exit(4)
  console.log('asked', name)
  s.end(JSON.stringify({ name, number, isWorker, isMain: require.main === module, argv: process.argv.slice(1), env: process.env, cwd: process.cwd() }))
}).listen(process.env.PORT)
`
const files = app(server, { scripts: { start: 'node --stack-trace-limit=7 server.js --loud' } })

interface Told {
  readonly name: string
  readonly number: string
  readonly isWorker: boolean
  readonly isMain: boolean
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

describe('cluster mode', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let tree: WorkTree

  before(async () => {
    pilot = await startPilot()
    const create = { method: 'POST', body: { name: 'shop' } } as const
    assert.equal((await pilot.api('/api/project/create', create)).status, 201)
    await set({ cluster: true, memoryLimitMb: 300 })
    const env = { method: 'PATCH', body: { envVars: { SECRET: 'swordfish' } } } as const
    assert.equal((await pilot.api('/api/project/shop/env?apply=false', env)).status, 200)
    tree = await workTree(files)
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
  const post = (path: string, body: object = {}) =>
    pilot.api(`/api/project/shop/${path}`, { method: 'POST', body })
  const under = async (work: () => Promise<void>): Promise<void> => {
    const load = pilot.load('shop', { rate: 100, path: '/who', timeoutMs: 30_000 })
    try {
      await load.answered(20)
      await work()
      await load.answered(100)
    } finally {
      assert.deepEqual((await load.stop()).lost, {})
    }
  }

  test('the app runs as a worker of PM2, as if Node had started it, with its own environment alone', async () => {
    const told = (await pilot.app('shop')).json<Told>()
    assert.deepEqual([told.isWorker, told.isMain, told.name, told.number], [true, true, 'web.1', '0'])
    assert.match(told.argv[0] ?? '', /\/server\.js$/)
    assert.deepEqual(told.argv.slice(1), ['--loud'])
    assert.equal(told.cwd, await realRelease())
    assert.equal(told.env.SECRET, 'swordfish')
    assert.match(told.env.NODE_OPTIONS ?? '', /--max-old-space-size=214/)
    const foreign = Object.keys(told.env).filter((key) => /^(PM2|pm2|pm_|exec_|NODE_UNIQUE|axm)/.test(key))
    assert.deepEqual(foreign, [])
  })

  /** Without the front door, which keeps its connections: a connection is one worker's. */
  const askWorker = async (path: string) => {
    const port = (await show()).instances[0]?.port
    return fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
  }

  const realRelease = async () => (await appProcesses(pilot.home, 'shop'))[0]?.cwd

  test('no secret passes through PM2: neither in its record nor in what the kernel shows of the worker', async () => {
    const [worker] = (await show()).instances
    for (const file of ['environ', 'cmdline']) {
      assert.doesNotMatch(await readFile(`/proc/${worker?.pid}/${file}`, 'utf8'), /swordfish/, file)
    }
    for (const name of await readdir(`${pilot.home}/pm2`)) {
      const text = await readFile(`${pilot.home}/pm2/${name}`, 'utf8').catch(() => '')
      assert.doesNotMatch(text, /swordfish/, name)
    }
  })

  test('scaling and restarting lose nothing; all workers share one port and take their part', async () => {
    await under(async () => {
      const up = await post('scale', { web: 3 })
      assert.equal(up.status, 200, up.text)
      const { instances } = up.json<{ project: Seen }>().project
      assert.deepEqual(instances.map(({ name }) => name).sort(), ['web.1', 'web.2', 'web.3'])
      const ports = [...new Set(instances.map(({ port }) => port))]
      assert.equal(ports.length, 1)
      // a worker that is busy with the last one is not given the next
      const seen = new Set<string>()
      await until('all three to answer', async () => {
        seen.add(await (await askWorker('/who')).text())
        return seen.size >= 3
      })
      assert.deepEqual([...seen].sort(), ['web.1', 'web.2', 'web.3'])
    })
    await under(async () => {
      assert.equal((await post('restart')).status, 200)
      assert.equal((await post('scale', { web: 2 })).status, 200)
    })
    await until('two are left', async () => (await appProcesses(pilot.home, 'shop')).length === 2)
  })

  test('each worker has its own log', async () => {
    const lines = await until('both have written', async () => {
      await (await askWorker('/')).text()
      const answer = await pilot.api('/api/project/shop/logs?lines=100')
      const { lines } = answer.json<{ lines: { instance: string; line: string }[] }>()
      const names = new Set(lines.map(({ instance }) => instance))
      return names.has('web.1') && names.has('web.2') ? lines : null
    })
    for (const { instance, line } of lines)
      if (line.startsWith('asked')) assert.equal(line, `asked ${instance}`)
  })

  test('a worker that crashes is started again while the other answers', async () => {
    const before = (await show()).instances.map(({ pid }) => pid)
    // a request that may be repeated would end the other one too
    await pilot.app('shop', '/crash', { method: 'POST' }).catch(() => null)
    assert.equal((await pilot.app('shop', '/who')).status, 200)
    await until('two run, one of them anew', async () => {
      const now = (await show()).instances
      return now.every(({ status }) => status === 'online') && now.some(({ pid }) => !before.includes(pid))
    })
  })

  test('when PM2 dies, or the server, all workers run once', async () => {
    const before = (await appProcesses(pilot.home, 'shop')).map(({ pid }) => pid)
    const pid = Number(await readFile(`${pilot.home}/pm2/pm2.pid`, 'utf8'))
    process.kill(pid, 'SIGKILL')
    // what the dead one has left answers for a moment too
    await until(
      'two others run',
      async () => {
        const now = await appProcesses(pilot.home, 'shop')
        return now.length === 2 && !now.some(({ pid }) => before.includes(pid))
      },
      30_000,
    )
    await until('it answers again', async () => (await pilot.app('shop', '/who')).status === 200)
    pilot.signal('SIGKILL')
    await pilot.exited()
    assert.equal((await pilot.app('shop', '/who')).status, 200)
    await pilot.start()
    assert.equal((await appProcesses(pilot.home, 'shop')).length, 2)
    assert.equal((await pilot.app('shop', '/who')).status, 200)
  })

  test('what is no script of Node, and one that listens elsewhere, are refused; the old workers go on', async () => {
    await tree.commit({ Procfile: 'web: node server.js && echo\n' })
    const shell = await tree.push(pilot.remote('shop'))
    assert.notEqual(shell.code, 0)
    assert.match(shell.all, /error: no_start_command: cluster mode runs a script of Node/)
    await tree.commit({ Procfile: 'web: node crash.js\n', 'crash.js': `throw new Error('no till')` })
    const crash = await tree.push(pilot.remote('shop'))
    assert.match(crash.all, /no till/)
    assert.match(crash.all, /error: boot_crashed: /)
    assert.equal((await pilot.app('shop', '/who')).status, 200)
    assert.equal((await appProcesses(pilot.home, 'shop')).length, 2)
  })

  test('an ES module runs too; turned off, the next release has a port for each', async () => {
    const module = `import { createServer } from 'node:http'
createServer((q, s) => s.end('esm')).listen(process.env.PORT)`
    await tree.commit({ Procfile: 'web: node app.mjs\n', 'app.mjs': module })
    const pushed = await tree.push(pilot.remote('shop'))
    assert.equal(pushed.code, 0, pushed.all)
    assert.equal((await pilot.app('shop')).text, 'esm')
    await set({ cluster: false })
    assert.equal((await post('restart')).status, 200)
    const { instances } = await show()
    assert.equal(new Set(instances.map(({ port }) => port)).size, 2)
    assert.equal((await pilot.app('shop')).text, 'esm')
    await until('the cluster has ended', async () => (await appProcesses(pilot.home, 'shop')).length === 2)
  })
})
