import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ask } from '../../testing/ask.ts'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { environmentOf, processRow, processTable } from '../processes.ts'
import { createKeeper, type Keeper, type KeptProgram } from './keeper.ts'
import { until } from './runtime.suite.ts'

/** Says its pid; answers `/slow` only after SIGTERM, as one that finishes what it has begun. */
const program = `let slow
const server = require('node:http').createServer((q, s) => q.url === '/slow' ? (slow = s) : s.end(process.argv[1] + ' ' + process.pid))
server.listen({ fd: 3 })
process.on('SIGTERM', () => { server.close(); server.closeIdleConnections(); slow?.end('finished') })
console.log("it's up")
`

describe('the keeper of the front door', () => {
  let root: string
  let keeper: Keeper
  let port: number
  before(async () => {
    root = await temporaryDirectory('keep')
    keeper = createKeeper(path.join(root, 'keeper'))
    port = await freePort()
  })
  after(async () => {
    await keeper?.end(1_000)
    await removeDirectory(root)
  })

  const spec = (overrides: Partial<KeptProgram> = {}): KeptProgram => ({
    argv: [process.execPath, '-e', program, 'one'],
    cwd: root,
    env: { PATH: process.env.PATH ?? '', WORD: `don't tell` },
    logFile: path.join(root, 'logs', 'router.log'),
    fingerprint: 'a',
    host: '127.0.0.1',
    port,
    ...overrides,
  })
  const answer = async (of = port) => (await ask(`http://127.0.0.1:${of}`, '/', { timeoutMs: 5_000 })).text
  const pid = async () => Number((await answer()).split(' ')[1])
  const kept = async () => {
    const found: number[] = []
    for (const row of processTable().values()) {
      if ((await environmentOf(row.pid))?.get('NODEPILOT_KEPT') === path.join(root, 'keeper'))
        found.push(row.pid)
    }
    return found
  }

  test('the program is started once, also when it is asked for twice at once', async () => {
    await Promise.all([keeper.keep(spec()), keeper.keep(spec())])
    const first = await pid()
    await createKeeper(path.join(root, 'keeper')).keep(spec())
    assert.equal(await pid(), first)
    assert.deepEqual(await kept(), [first])
    assert.equal(await keeper.restarts(), 0)
  })

  test('it gets its environment, its argv word by word, and its output goes to a file', async () => {
    const environment = (await environmentOf(await pid())) ?? new Map()
    assert.equal(environment.get('WORD'), `don't tell`)
    await until(async () => (await readFile(spec().logFile, 'utf8')).includes("it's up"))
  })

  test('killed again and again it is back within two seconds, and whoever connects meanwhile waits', async () => {
    for (let round = 1; round <= 4; round++) {
      const before = await pid()
      process.kill(before, 'SIGKILL')
      const began = performance.now()
      assert.notEqual(await pid(), before)
      assert.ok(performance.now() - began < 2_000, `${performance.now() - began} ms`)
    }
    await until(async () => (await keeper.restarts()) === 4)
  })

  test('another fingerprint replaces it: what it has begun is finished, and no connection is refused', async () => {
    const before = keeper.find()
    const first = await pid()
    const slow = ask(`http://127.0.0.1:${port}`, '/slow')
    await until(async () => (await ask(`http://127.0.0.1:${port}`, '/')).status === 200)
    let asking = true
    const asked = (async () => {
      while (asking) await answer()
    })()
    await keeper.keep(spec({ fingerprint: 'b', argv: [process.execPath, '-e', program, 'two'] }))
    await until(async () => (await answer()).startsWith('two '))
    asking = false
    await asked
    assert.equal((await slow).text, 'finished')
    await until(async () => processRow(first) === null)
    assert.equal(keeper.find()?.pid, before?.pid)
    assert.equal(keeper.find()?.fingerprint, 'b')
  })

  test('an address that somebody else has is said to be', async () => {
    const other = net.createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const taken = (other.address() as net.AddressInfo).port
    const second = createKeeper(path.join(root, 'second'))
    await assert.rejects(second.keep(spec({ port: taken })), { code: 'EADDRINUSE' })
    assert.equal(second.find(), null)
    await new Promise((resolve) => other.close(resolve))
  })

  test('another address is opened, and the old one closed', async () => {
    const old = port
    port = await freePort()
    await keeper.keep(spec({ fingerprint: 'c' }))
    assert.match(await answer(), /^one /)
    await until(async () =>
      answer(old).then(
        () => false,
        () => true,
      ),
    )
    await until(async () => (await kept()).length === 1)
  })

  test('a killed keeper leaves its program at work; the next one takes its place', async () => {
    const first = await pid()
    process.kill(keeper.find()?.pid ?? 0, 'SIGKILL')
    await until(async () => keeper.find() === null)
    assert.equal(await pid(), first)
    await keeper.keep(spec({ fingerprint: 'c' }))
    assert.notEqual(await pid(), first)
    await until(async () => (await kept()).length === 1)
  })

  test('ended, nothing of it is left, and ending it again is fine', async () => {
    await keeper.end(1_000)
    assert.deepEqual(await kept(), [])
    assert.equal(keeper.find(), null)
    await assert.rejects(answer(), { code: 'ECONNREFUSED' })
    await keeper.end(1_000)
  })
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = net.createServer()
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as net.AddressInfo
      probe.close(() => resolve(port))
    })
  })
}
