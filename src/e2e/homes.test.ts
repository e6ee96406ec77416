import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import { ask } from '../testing/ask.ts'
import { command } from '../testing/command.ts'
import { assertLive } from '../testing/git-output.ts'
import { runningApps } from '../testing/leftovers.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { endProcessesOf, processesOf } from '../testing/processes.ts'
import { root } from '../testing/root.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import { workTree } from '../testing/work-tree.ts'

const nodepilot = join(root, 'bin', 'nodepilot')

describe('homes and starts', { timeout: 180_000 }, () => {
  const folders: string[] = []
  const pilots: Pilot[] = []

  after(async () => {
    for (const pilot of pilots) await pilot.stop()
    for (const folder of folders) {
      await endProcessesOf(folder)
      await removeDirectory(folder)
    }
  })

  const newHome = async () => {
    const folder = await temporaryDirectory('homes')
    folders.push(folder)
    return join(folder, 'h')
  }
  const start = async (home: string, env: Record<string, string> = {}) => {
    await mkdir(home, { recursive: true })
    const pilot = await startPilot({ home, env })
    pilots.push(pilot)
    return pilot
  }
  /** A `serve` that must not get ready: resolves with how it ended. */
  const serve = (home: string, env: Record<string, string> = {}) =>
    command(nodepilot, ['serve'], {
      env: { NODEPILOT_HOME: home, PORT: '0', NODEPILOT_ADMIN_PASSWORD: 'a long password', ...env },
      timeoutMs: 30_000,
    })
  const push = async (pilot: Pilot, name: string, body: string) => {
    const work = await workTree(hello(body))
    assertLive(await work.push(pilot.remote(name)))
    await work.remove()
  }
  const listening = async (host = '127.0.0.1'): Promise<{ server: Server; port: number }> => {
    const server = createServer((_q, s) => s.end('a stranger')).listen(0, host)
    await once(server, 'listening')
    return { server, port: (server.address() as AddressInfo).port }
  }

  test('two homes do not disturb each other, not even when one ends everything', async () => {
    const [a, b] = await Promise.all([start(await newHome()), start(await newHome())])
    await Promise.all([push(a, 'shop', 'from a'), push(b, 'shop', 'from b')])
    assert.equal((await a.app('shop')).text, 'from a')
    assert.equal((await b.app('shop')).text, 'from b')
    const wrong = await b.api('/api/auth/verify', { token: a.token })
    assert.equal(wrong.status, 401)
    const running = await runningApps(b.home, 'shop')
    const ended = await command(nodepilot, ['stop', '--all'], { env: { NODEPILOT_HOME: a.home } })
    assert.equal(ended.code, 0, ended.all)
    await until('everything of the first to be gone', async () => (await processesOf(a.home)).length === 0)
    assert.equal((await b.app('shop')).text, 'from b')
    assert.deepEqual(await runningApps(b.home, 'shop'), running)
    assert.equal((await b.api('/health')).status, 200)
  })

  test('a second server on one home refuses and leaves the first alone', async () => {
    const pilot = await start(await newHome())
    const before = await readFile(join(pilot.home, 'run', 'server.json'), 'utf8')
    const second = await serve(pilot.home)
    assert.notEqual(second.code, 0)
    assert.match(second.all, /error: .*running on this home already/)
    assert.match(second.all, /hint: .*nodepilot stop/)
    assert.equal(await readFile(join(pilot.home, 'run', 'server.json'), 'utf8'), before)
    await push(pilot, 'shop', 'undisturbed')
    assert.equal((await pilot.app('shop')).text, 'undisturbed')
  })

  test('two servers started on one home at the same moment: one serves', async () => {
    const home = await newHome()
    const [first, second] = [serveUntilReady(home), serveUntilReady(home)]
    const ends = await Promise.all([first, second])
    assert.equal(ends.filter((end) => end === 'ready').length, 1, ends.join('\n---\n'))
    const stopped = await command(nodepilot, ['stop', '--all'], { env: { NODEPILOT_HOME: home } })
    assert.equal(stopped.code, 0, stopped.all)
    await until('all to be gone', async () => (await processesOf(home)).length === 0)
  })

  test('a PORT that is in use is named, and nothing goes on running', async () => {
    const { server, port } = await listening()
    const home = await newHome()
    const refused = await serve(home, { PORT: String(port) })
    assert.notEqual(refused.code, 0)
    assert.match(
      refused.all,
      new RegExp(`error: PORT: ${port} on 127\\.0\\.0\\.1 is used by another program`),
    )
    assert.match(refused.all, /hint: .*PORT=0/)
    assert.ok(!existsSync(join(home, 'run', 'server.json')))
    server.close()
    const stopped = await command(nodepilot, ['stop', '--all'], { env: { NODEPILOT_HOME: home } })
    assert.equal(stopped.code, 0)
    await until('all to be gone', async () => (await processesOf(home)).length === 0)
  })

  test('a PORT of 0 keeps its port for the home, and takes another when a stranger has it', async () => {
    const pilot = await start(await newHome())
    const { port } = pilot
    await push(pilot, 'shop', 'moves along')
    await pilot.stop()
    await pilot.start()
    assert.equal(pilot.port, port)
    await until('the project to run again', async () => (await pilot.app('shop')).text === 'moves along')
    await pilot.stop()
    const stranger = createServer((_q, s) => s.end('a stranger')).listen(port, '127.0.0.1')
    await once(stranger, 'listening')
    await pilot.start()
    assert.notEqual(pilot.port, port)
    await until('the project to run again', async () => (await pilot.app('shop')).text === 'moves along')
    stranger.close()
  })

  test('wrong settings are named with where they came from', async () => {
    const home = await newHome()
    for (const [env, pattern] of [
      [{ PORT: 'abc' }, /error: .*PORT/],
      [{ PORT: '70000' }, /error: .*PORT/],
      [{ NODEPILOT_BASE_DOMAIN: 'no domain' }, /error: .*NODEPILOT_BASE_DOMAIN/],
      [{ NODEPILOT_RUNTIME: 'docker' }, /error: .*NODEPILOT_RUNTIME/],
      [{ NODEPILOT_TRUSTED_PROXY: 'caddy' }, /error: .*NODEPILOT_TRUSTED_PROXY/],
    ] as const) {
      const refused = await serve(home, env)
      assert.notEqual(refused.code, 0)
      assert.match(refused.all, pattern)
      assert.match(refused.all, /hint: /)
      assert.doesNotMatch(refused.all, /\n {4}at /, 'a stack trace is no sentence')
    }
    await mkdir(home, { recursive: true })
    for (const [text, pattern] of [
      ['{', /nodepilot\.json is not a JSON object/],
      ['{"prot":3000}', /prot in .*nodepilot\.json: there is no such setting/],
      ['{"uploadLimitMb":"a lot"}', /uploadLimitMb in .*nodepilot\.json/],
    ] as const) {
      await writeFile(join(home, 'nodepilot.json'), text)
      const refused = await serve(home)
      assert.notEqual(refused.code, 0)
      assert.match(refused.all, pattern)
    }
    assert.deepEqual(await processesOf(home), [])
  })

  test('a home that cannot be used is named: a file, a place below one, a path too long for sockets', async () => {
    const folder = await newHome()
    await mkdir(folder, { recursive: true })
    const file = join(folder, 'file')
    await writeFile(file, '')
    for (const [home, pattern] of [
      [file, /error: /],
      [join(file, 'below'), /error: /],
      [join(folder, 'x'.repeat(120)), /error: .*too long/],
    ] as const) {
      const refused = await serve(home)
      assert.notEqual(refused.code, 0)
      assert.match(refused.all, pattern)
    }
  })

  test('without a password the one-time link lies in a file of the owner, works once, and never again', async () => {
    const home = await newHome()
    await mkdir(home, { recursive: true })
    assert.equal(await serveUntilReady(home, ''), 'ready')
    const { url } = JSON.parse(await readFile(join(home, 'run', 'server.json'), 'utf8')) as { url: string }
    const file = join(home, 'run', 'setup')
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const setUp = (body: object) => ask(url, '/api/setup', { method: 'POST', body })
    const codeIn = (link: string) => link.trim().split('#')[1] ?? ''
    const first = codeIn(await readFile(file, 'utf8'))
    const reset = await command(nodepilot, ['setup', '--reset'], { env: { NODEPILOT_HOME: home } })
    assert.equal(await readFile(file, 'utf8'), reset.out, 'the file names a link that has ended')
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    assert.notEqual((await setUp({ code: first, username: 'eve', password: 'a long password' })).status, 201)
    const code = codeIn(reset.out)
    assert.notEqual(
      (await setUp({ code: 'wrong', username: 'eve', password: 'a long password' })).status,
      201,
    )
    const both = await Promise.all([
      setUp({ code, username: 'alice', password: 'a long password' }),
      setUp({ code, username: 'bob', password: 'a long password' }),
    ])
    assert.equal(
      both.filter(({ status }) => status === 201).length,
      1,
      both.map(({ text }) => text).join('\n'),
    )
    assert.notEqual((await setUp({ code, username: 'eve', password: 'a long password' })).status, 201)
    await command(nodepilot, ['stop', '--all'], { env: { NODEPILOT_HOME: home } })
    await until('all to be gone', async () => (await processesOf(home)).length === 0)
  })

  /** Starts a server that outlives the call: `ready`, or what it printed when it ended. */
  async function serveUntilReady(home: string, password = 'a long password'): Promise<string> {
    let ready = false
    const running = command(nodepilot, ['serve'], {
      env: { NODEPILOT_HOME: home, PORT: '0', NODEPILOT_ADMIN_PASSWORD: password },
      timeoutMs: 170_000,
      onOutput: (text) => {
        ready ||= /^Next /m.test(text)
      },
    })
    const ended = running.then(({ all }) => all)
    return Promise.race([ended, until('the server to be ready', () => ready, 60_000).then(() => 'ready')])
  }
})
