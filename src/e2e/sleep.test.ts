import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { app } from '../testing/apps.ts'
import { type CommandLine, commandLine } from '../testing/command-line.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { isAlive } from '../testing/processes.ts'
import { until } from '../testing/until.ts'
import { workTree } from '../testing/work-tree.ts'

/** Answers who it is; does not start while there is a file `broken` in its data. */
const server = `const fs = require('node:fs')
if (fs.existsSync(process.env.NODEPILOT_DATA_DIR + '/broken')) { console.error('Error: the database is away'); process.exit(1) }
const server = require('node:http').createServer((q, s) => s.end(String(process.pid)))
server.on('upgrade', (q, socket) => {
  const key = require('node:crypto').createHash('sha1').update(q.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
  socket.on('error', () => {})
  socket.on('end', () => socket.end())
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + key + '\\r\\n\\r\\n')
})
server.listen(process.env.PORT)
`

interface Shown {
  readonly status: string
  readonly sleeping: boolean
  readonly sleepingSince: string | null
  readonly wakeProblem: string | null
  readonly instances: readonly { readonly name: string; readonly pid: number }[]
}

describe('projects that sleep, with a minute of a second', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let user: CommandLine

  before(async () => {
    const env = { NODEPILOT_TESTING: '1', NODEPILOT_SLEEP_MINUTE_MS: '1000' }
    pilot = await startPilot({ env })
    user = await commandLine()
    await user.login(pilot)
    const tree = await workTree({
      ...app(server),
      Procfile: 'web: node server.js\nworker: node -e "setInterval(() => {}, 1000)"\n',
    })
    for (const name of ['shop', 'blog']) assertLive(await tree.push(pilot.remote(name)), 1)
    await tree.remove()
  })
  after(async () => {
    await user?.remove()
    await pilot?.stop()
  })

  const show = async (name: string) =>
    (await pilot.api(`/api/project/${name}`)).json<{ project: Shown }>().project
  const set = async (name: string, sleepAfterMinutes: number | null) => {
    const change = { method: 'PATCH', body: { sleepAfterMinutes } } as const
    assert.equal((await pilot.api(`/api/project/${name}`, change)).status, 200)
  }
  const slept = (name: string) => until(`${name} sleeps`, async () => (await show(name)).sleeping, 30_000)
  const broken = () => path.join(pilot.home, 'projects/shop/data/broken')

  test('nobody asks: all its processes end; a hundred ask at once: it starts once, and all are answered', async (t) => {
    const { instances } = await show('shop')
    assert.deepEqual(instances.map(({ name }) => name).sort(), ['web.1', 'worker.1'])
    await set('shop', 1)
    await slept('shop')
    for (const { name, pid } of instances) {
      await until(`the memory of ${name} is given back`, async () => !(await isAlive(pid)))
    }
    await until('nothing of it is left', async () => (await show('shop')).instances.length === 0)
    const { status, sleepingSince, instances: now } = await show('shop')
    assert.deepEqual([status, now], ['running', []])
    assert.ok(Math.abs(Date.parse(sleepingSince ?? '') - Date.now()) < 60_000)
    assert.match((await user.run(['projects'])).out, /^shop +sleeping +v1 /m)
    assert.match((await user.run(['ps', '-p', 'shop'])).all, /shop sleeps until the next request/)
    const metrics = (await pilot.api('/metrics')).text
    assert.match(metrics, /^nodepilot_project_sleeping\{project="shop"\} 1$/m)
    assert.match(metrics, /^nodepilot_project_sleeping\{project="blog"\} 0$/m)

    await set('shop', 60)
    const began = performance.now()
    const first = pilot.app('shop').then((answer) => [answer, performance.now() - began] as const)
    const others = Array.from({ length: 99 }, () => pilot.app('shop'))
    const [answer, ms] = await first
    t.diagnostic(`the first answer came after ${Math.round(ms)} ms`)
    const answers = [answer, ...(await Promise.all(others))]
    assert.deepEqual([...new Set(answers.map((one) => one.status))], [200])
    const pids = [...new Set(answers.map(({ text }) => Number(text)))]
    await until('its worker runs too', async () => (await show('shop')).instances.length === 2)
    const awake = await show('shop')
    assert.deepEqual(pids, [awake.instances.find(({ name }) => name === 'web.1')?.pid])
    assert.deepEqual([awake.sleeping, awake.sleepingSince], [false, null])
    await set('shop', 1)
  })

  test('a WebSocket keeps it awake for as long as it is open', async () => {
    await slept('shop')
    const socket = new WebSocket(`ws://127.0.0.1:${pilot.port}/`, { headers: { host: 'shop.localhost' } })
    await once(socket, 'open')
    const [web] = (await show('shop')).instances
    // by the time that this one sleeps, the other would as well
    await set('blog', 2)
    await slept('blog')
    assert.equal((await show('shop')).sleeping, false)
    assert.equal((await pilot.app('shop')).text, String(web?.pid))
    socket.terminate()
    await slept('shop')
  })

  test('a server that is killed leaves it asleep, and who asks meanwhile is answered by the next one', async () => {
    await slept('shop')
    await slept('blog')
    pilot.signal('SIGKILL')
    await pilot.exited()
    const waiting = pilot.app('shop')
    await pilot.start()
    assert.equal((await waiting).status, 200)
    assert.equal((await show('blog')).sleeping, true)
    await set('blog', null)
    assert.equal((await pilot.api('/api/project/blog/start', { method: 'POST' })).status, 200)
    assert.equal((await show('blog')).sleeping, false)
  })

  test('an app that does not start is said to who waits, and to its owner; the next request tries again', async () => {
    await slept('shop')
    await writeFile(broken(), '')
    const [page, other] = await Promise.all([
      pilot.app('shop', '/', { headers: { accept: 'text/html' } }),
      pilot.app('shop'),
    ])
    assert.deepEqual([page.status, other.status], [503, 503])
    assert.match(page.text, /<h1>shop could not be woken<\/h1><p>It was asleep, and the app did not start\./)
    assert.equal(page.text.includes('database'), false, 'visitors are not told why')
    assert.ok(Number(page.headers['retry-after']) >= 1)
    const { status, sleeping, wakeProblem, instances } = await show('shop')
    assert.deepEqual([status, sleeping, instances], ['error', true, []])
    assert.match(wakeProblem ?? '', /exited with code 1/)
    assert.match((await user.run(['ps', '-p', 'shop'])).all, /could not be woken: .*exited with code 1/)
    const log = await pilot.api('/api/project/shop/logs?lines=50')
    assert.match(log.text, /the database is away/)
    await rm(broken())
    await until('it is tried again', async () => (await pilot.app('shop')).status === 200, 20_000)
    assert.deepEqual((await show('shop')).wakeProblem, null)
  })
})
