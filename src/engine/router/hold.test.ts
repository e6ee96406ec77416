import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
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
