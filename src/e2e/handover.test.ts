import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { app } from '../testing/apps.ts'
import { assertLive, assertRejected } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { processesOf } from '../testing/processes.ts'
import { until } from '../testing/until.ts'
import { type Files, type WorkTree, workTree } from '../testing/work-tree.ts'

/** An app that may not run twice: it writes down when it finds another one, and does not start. */
const alone = (version: string, boot = '') => `const fs = require('node:fs')
const lock = process.env.NODEPILOT_DATA_DIR + '/lock'
const other = fs.existsSync(lock) ? Number(fs.readFileSync(lock)) : 0
const alive = (pid) => { try { process.kill(pid, 0); return true } catch { return false } }
if (other && alive(other)) { fs.appendFileSync(lock + '.broken', '${version} '); process.exit(3) }
fs.writeFileSync(lock, String(process.pid))
${boot}
const server = require('node:http').createServer((q, s) => {
  if (q.url === '/slow') return setTimeout(() => s.end('${version}'), 700)
  s.end('${version}')
})
server.on('upgrade', (q, socket) => {
  const key = require('node:crypto').createHash('sha1').update(q.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
  socket.on('error', () => {})
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + key + '\\r\\n\\r\\n')
})
setTimeout(() => server.listen(process.env.PORT), 400)
process.on('SIGTERM', () => setTimeout(() => { fs.rmSync(lock, { force: true }); process.exit(0) }, 300))
`
const files = (version: string, boot?: string): Files => app(alone(version, boot))

describe('projects of which two versions may not run at once', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let tree: WorkTree

  before(async () => {
    pilot = await startPilot()
    const create = { method: 'POST', body: { name: 'shop' } } as const
    assert.equal((await pilot.api('/api/project/create', create)).status, 201)
    const change = { method: 'PATCH', body: { overlap: false } } as const
    assert.equal((await pilot.api('/api/project/shop', change)).status, 200)
    tree = await workTree(files('v1'))
    assertLive(await tree.push(pilot.remote('shop')))
  })
  after(async () => {
    await tree?.remove()
    await pilot?.stop()
  })

  const neverTwice = () =>
    assert.equal(existsSync(path.join(pilot.home, 'projects/shop/data/lock.broken')), false)
  const under = async (work: () => Promise<void>): Promise<void> => {
    const load = pilot.load('shop', { rate: 100, timeoutMs: 30_000 })
    await load.answered(20)
    await work()
    await load.answered(100)
    assert.deepEqual((await load.stop()).lost, {})
    neverTwice()
  }
  const post = async (what: string, body: object = {}) => {
    const answer = await pilot.api(`/api/project/shop/${what}`, { method: 'POST', body })
    assert.ok(answer.status < 300, answer.text)
  }

  test('a push under load loses nothing, and the versions never meet; a WebSocket is closed with 1012', async () => {
    const url = `ws://127.0.0.1:${pilot.port}/`
    const socket = new WebSocket(url, { headers: { host: 'shop.localhost' } })
    await once(socket, 'open')
    const closed = once(socket, 'close')
    await tree.commit(files('v2'))
    await under(async () => {
      const slow = pilot.app('shop', '/slow')
      assertLive(await tree.push(pilot.remote('shop')), 2)
      assert.equal((await slow).text.startsWith('v'), true)
    })
    assert.equal((await closed)[0], 1012)
    assert.equal((await pilot.app('shop')).text, 'v2')
  })

  test('a version that fails gives its place back: the push is rejected, and nothing is lost', async () => {
    await tree.commit(files('v3', `fs.rmSync(lock, { force: true }); throw new Error('no')`))
    await under(async () => {
      assertRejected(await tree.push(pilot.remote('shop')), 'boot_crashed')
    })
    assert.equal((await pilot.app('shop')).text, 'v2')
  })

  test('restart, rollback and new config vars lose nothing either', async () => {
    await under(() => post('restart'))
    await under(() => post('rollback'))
    assert.equal((await pilot.app('shop')).text, 'v1')
    await under(async () => {
      const change = { method: 'PATCH', body: { envVars: { A: '1' } } } as const
      assert.equal((await pilot.api('/api/project/shop/env?apply=true', change)).status, 200)
    })
  })

  test('the front door killed while requests wait: only what was connected to it then is cut off', async () => {
    await tree.commit(files('v8', 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)'))
    assertLive(await tree.push(pilot.remote('shop')))
    const lock = path.join(pilot.home, 'projects/shop/data/lock')
    const old = readFileSync(lock, 'utf8')
    const open = new Set<number>()
    const answers: Promise<string>[] = []
    const ask = async (n: number) => {
      open.add(n)
      const answer = await pilot.app('shop').catch((error: NodeJS.ErrnoException) => error)
      open.delete(n)
      return answer instanceof Error ? (answer.code ?? answer.message) : `${answer.status} ${answer.text}`
    }
    const asking = setInterval(() => answers.push(ask(answers.length)), 10)
    try {
      // cut off as well, and carried out
      const restart = post('restart').catch((error: NodeJS.ErrnoException) => error.code)
      await until('the new version starts', () => existsSync(lock) && readFileSync(lock, 'utf8') !== old)
      const router = (await processesOf(pilot.home)).find(({ command }) => command.includes('router/main.js'))
      assert.ok(router)
      process.kill(router.pid, 'SIGKILL')
      const connected = new Set(open)
      assert.ok(connected.size > 5, `${connected.size} waited`)
      assert.equal(await restart, 'ECONNRESET')
      const later = answers.length
      await until('one that came later to be answered', () => Promise.race([answers[later], false]))
      clearInterval(asking)
      const all = await Promise.all(answers)
      const lost = all.flatMap((answer, n) => (answer === '200 v8' ? [] : [{ answer, n }]))
      assert.deepEqual(
        lost.filter(({ answer, n }) => answer !== 'ECONNRESET' || !connected.has(n)),
        [],
      )
    } finally {
      clearInterval(asking)
    }
    neverTwice()
  })

  test('a server that is killed in the middle: the old version is started again, alone, and requests go on', async () => {
    await tree.commit(files('v9', 'for (;;) {}'))
    const push = tree.push(pilot.remote('shop'))
    const lock = path.join(pilot.home, 'projects/shop/data/lock')
    const old = readFileSync(lock, 'utf8')
    await until('the new version starts', () => existsSync(lock) && readFileSync(lock, 'utf8') !== old)
    const waiting = pilot.app('shop', '/', { timeoutMs: 60_000 })
    pilot.signal('SIGKILL')
    await pilot.exited()
    await push
    await pilot.start()
    assert.deepEqual([(await waiting).status, (await waiting).text], [200, 'v8'])
    neverTwice()
  })
})
