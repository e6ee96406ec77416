import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { Endpoint, RouteTable } from '../ports.ts'
import { mostHeld } from './holds.ts'
import { get, startApp, startRouterProcess, until } from './process.suite.ts'

test('requests and their bodies wait through a hold, while nothing listens at all, and none is lost', async (t) => {
  const router = await startRouterProcess(t)
  const old = await startApp(t, (_, response) => response.end('old'))
  await router.routes({ endpoints: [old] })
  await router.client.hold('shop', 30_000)
  await old.close()
  const large = 'x'.repeat(300_000)
  const waiting = Array.from({ length: 200 }, (_, n) =>
    get(router.port, n % 2 === 0 ? {} : { method: 'POST', body: large }),
  )
  await until(async () => ((await router.client.hold('shop', 30_000)).waiting === 200 ? true : null))
  const next = await startApp(t, async (incoming, response) => {
    let size = 0
    for await (const chunk of incoming) size += chunk.length
    response.end(`new ${size}`)
  })
  await router.routes({ endpoints: [next] })
  assert.deepEqual(await router.client.hold('shop', 0), { waiting: 136 })
  const bodies = (await Promise.all(waiting)).map(({ body }) => body)
  assert.deepEqual([...new Set(bodies)].sort(), ['new 0', 'new 300000'])
})

test('a request whose client leaves waits no more', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => response.end('here'))
  await router.routes({ endpoints: [app] })
  await router.client.hold('shop', 30_000)
  const counts = async (n: number) =>
    until(async () => ((await router.client.hold('shop', 30_000)).waiting === n ? true : null))
  const client = connect(router.port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n')
  await counts(1)
  client.destroy()
  await counts(0)
})

test('no more requests than a bound wait; those beyond it are told to come again', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => response.end('here'))
  await router.routes({ endpoints: [app] })
  await router.client.hold('shop', 60_000)
  const sockets = Array.from({ length: mostHeld }, () => {
    const socket = connect(router.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n')
    return socket
  })
  await until(async () => ((await router.client.hold('shop', 60_000)).waiting === mostHeld ? true : null))
  const beyond = await get(router.port)
  assert.deepEqual([beyond.status, beyond.headers['retry-after']], [503, '5'])
  assert.ok((await router.client.status()).residentBytes < 250e6)
  for (const socket of sockets) socket.destroy()
})

test('a hold outlives the router: after SIGKILL requests wait on, for no longer than they would have', async (t) => {
  const first = await startRouterProcess(t)
  const old = await startApp(t, (_, response) => response.end('old'))
  await first.routes({ endpoints: [old] })
  await first.client.hold('shop', 30_000)
  await old.close()
  await first.kill('SIGKILL')
  const second = await startRouterProcess(t, { folder: first.folder, port: first.port })
  const waiting = get(second.port)
  await until(async () => ((await second.client.hold('shop', 30_000)).waiting === 1 ? true : null))
  const next = await startApp(t, (_, response) => response.end('new'))
  await second.client.apply(table([next]))
  await second.client.hold('shop', 0)
  assert.equal((await waiting).body, 'new')

  // nobody ends this one
  await second.client.hold('shop', 1_500)
  await second.kill('SIGKILL')
  const third = await startRouterProcess(t, { folder: first.folder, port: first.port })
  const began = performance.now()
  assert.equal((await get(third.port)).body, 'new')
  assert.ok(performance.now() - began < 1_500)
  await third.kill('SIGKILL')
  const fourth = await startRouterProcess(t, { folder: first.folder, port: first.port })
  assert.equal((await get(fourth.port)).body, 'new')
})

test('who is held at a router that ends goes on when the next one is told that the hold is over', async (t) => {
  const first = await startRouterProcess(t)
  const old = await startApp(t, (_, response) => response.end('old'))
  await first.routes({ endpoints: [old] })
  await first.client.hold('shop', 30_000)
  await old.close()
  const waiting = get(first.port)
  await until(async () => ((await first.client.hold('shop', 30_000)).waiting === 1 ? true : null))
  first.child.kill('SIGTERM')
  const second = await startRouterProcess(t, { folder: first.folder, port: first.port })
  const next = await startApp(t, (_, response) => response.end('new'))
  await second.client.apply(table([next]))
  assert.deepEqual(await second.client.hold('shop', 0), { waiting: 0 })
  assert.equal((await waiting).body, 'new')
})

function table(endpoints: readonly Endpoint[]): RouteTable {
  const route = { hosts: ['shop.localhost'], project: 'shop', release: 2, state: 'running' } as const
  return { version: 2, baseDomain: 'localhost', routes: [{ ...route, endpoints }] }
}
