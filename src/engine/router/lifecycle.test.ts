import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { isRefusal } from '../domain/refusal.ts'
import { createRouterClient } from '../drivers/router.ts'
import { get, startApp, startRouterProcess, text, until } from './process.suite.ts'

test('a router killed at any moment serves the saved table as soon as it is started again', async (t) => {
  const first = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => response.end('still here'))
  await first.routes({ endpoints: [app] })
  await first.kill('SIGKILL')
  await access(first.controlSocket)
  const second = await startRouterProcess(t, { folder: first.folder, port: first.port })
  assert.equal((await get(second.port)).body, 'still here')
  assert.equal((await second.client.status()).table, 1)
  assert.equal((await stat(second.controlSocket)).mode & 0o777, 0o600)
  assert.equal((await stat(second.stateFile)).mode & 0o777, 0o600)
})

test('a saved table that is damaged is told and not used', async (t) => {
  const first = await startRouterProcess(t)
  await first.routes({})
  await first.kill('SIGTERM')
  await writeFile(first.stateFile, (await readFile(first.stateFile, 'utf8')).slice(0, 20))
  const second = await startRouterProcess(t, { folder: first.folder })
  assert.equal((await second.client.status()).table, null)
  assert.match(second.stderr(), /the saved table is not used/)
})

test('a table that cannot be saved is in force all the same and saved when the disk takes it again', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => response.end('ok'))
  const folder = `${router.folder}/state`
  await writeFile(folder, 'a file where the folder should be')
  await router.routes({ endpoints: [app] })
  assert.equal((await get(router.port)).body, 'ok')
  assert.equal((await router.client.status()).saved, false)
  await rm(folder)
  await until(async () => ((await router.client.status()).saved ? true : null))
  assert.equal(JSON.parse(await readFile(router.stateFile, 'utf8')).version, 1)
})

test('a table that was cut off while it was written is no loss: the one before it is used', async (t) => {
  const first = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => response.end('still here'))
  for (let version = 1; version <= 3; version++) await first.routes({ endpoints: [app] })
  await first.kill('SIGKILL')
  const kept = await readFile(first.stateFile, 'utf8')
  await writeFile(first.stateFile, kept.slice(0, -20))
  const second = await startRouterProcess(t, { folder: first.folder, port: first.port })
  assert.equal((await second.client.status()).table, 2)
  assert.equal((await get(second.port)).body, 'still here')
})

test('SIGTERM lets requests finish, refuses new ones and ends with 0', async (t) => {
  const router = await startRouterProcess(t)
  let finish: () => void = () => {}
  const app = await startApp(t, (_, response) => {
    finish = () => response.end('finished')
  })
  await router.routes({ endpoints: [app] })
  const arrived = once(app.server, 'request')
  const slow = get(router.port)
  await arrived
  const exited = once(router.child, 'exit')
  router.child.kill('SIGTERM')
  await until(async () =>
    get(router.port, { host: 'localhost' }).then(
      () => null,
      () => true,
    ),
  )
  finish()
  const got = await slow
  assert.deepEqual([got.body, got.headers.connection], ['finished', 'close'])
  assert.deepEqual(await exited, [0, null])
})

test('event streams do not hold up the end, and the next router can start while the old one finishes', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (incoming, response) => {
    if (incoming.url === '/slow') return
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.flushHeaders()
  })
  await router.routes({ endpoints: [app] })
  const ask = (path: string) => {
    const headers = { host: 'shop.localhost' }
    const outgoing = request({ host: '127.0.0.1', port: router.port, path, headers, agent: false })
    outgoing.on('error', () => {})
    outgoing.end()
    return outgoing
  }
  const arrived = once(app.server, 'request')
  const slow = ask('/slow')
  await arrived
  const [events] = (await once(ask('/events'), 'response')) as [IncomingMessage]
  const exited = once(router.child, 'exit')
  router.child.kill('SIGINT')
  await assert.rejects(text(events))
  const next = await startRouterProcess(t, { folder: router.folder, port: router.port })
  assert.equal(router.child.exitCode, null)
  assert.equal((await next.client.status()).pid, next.child.pid)
  slow.destroy()
  assert.deepEqual(await exited, [0, null])
  await next.client.check()
})

test('a front port in use is told by name, and taken as soon as it is free', async (t) => {
  const other = await startApp(t, () => {})
  const router = await startRouterProcess(t, { port: other.port, open: false })
  const { error, listening } = await router.client.status()
  assert.deepEqual([error?.code, listening], ['EADDRINUSE', null])
  assert.match(router.stderr(), /address in use by another program/)
  await assert.rejects(router.client.check(), (refusal) => {
    assert.ok(isRefusal(refusal, 'unavailable'))
    assert.match(refusal.message, /the front door is not open: address in use/)
    return true
  })
  await other.close()
  await until(async () => ((await router.client.status()).listening?.port === other.port ? true : null))
  await router.client.check()
})

test('a second router on the same socket ends with a clear line and leaves the first alone', async (t) => {
  const first = await startRouterProcess(t)
  const main = new URL('./main.js', import.meta.url).pathname
  const second = spawn(process.execPath, [main, join(first.folder, `router-0.json`)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [said, exited] = [text(second.stderr), once(second, 'exit')]
  assert.deepEqual(await exited, [1, null])
  assert.match(await said, /another router answers at/)
  await first.client.check()
})

test('a router that is not there is refused as unavailable', async (t) => {
  const router = await startRouterProcess(t)
  await router.kill('SIGTERM')
  const client = createRouterClient({ controlSocket: router.controlSocket })
  const table = { version: 9, baseDomain: 'localhost', routes: [] }
  for (const call of [client.check(), client.apply(table), client.drain([{ host: 'x', port: 1 }], 10)]) {
    await assert.rejects(call, (error) => isRefusal(error, 'unavailable'))
  }
})

test('a router that does not answer in time is refused as unavailable', async (t) => {
  const router = await startRouterProcess(t)
  const client = createRouterClient({ controlSocket: router.controlSocket, timeoutMs: 50 })
  router.child.kill('SIGSTOP')
  await assert.rejects(client.check(), (error) => isRefusal(error, 'unavailable'))
  router.child.kill('SIGCONT')
})

test('a table that is not one is refused and changes nothing', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => response.end('ok'))
  await router.routes({ endpoints: [app] })
  const bad = [
    { version: 2, baseDomain: '', routes: [] },
    { version: 2, baseDomain: 'localhost', routes: [{ project: 'x' }] },
    { version: 2, baseDomain: 'localhost', routes: [{ ...twice, project: 'a' }, twice] },
    { version: 2.5, baseDomain: 'localhost', routes: [] },
  ]
  for (const table of bad) {
    await assert.rejects(router.client.apply(table as never), (error) => isRefusal(error, 'invalid'))
  }
  assert.equal((await get(router.port)).body, 'ok')
})

const twice = { hosts: ['a.localhost'], project: 'b', release: 1, state: 'running', endpoints: [] }
