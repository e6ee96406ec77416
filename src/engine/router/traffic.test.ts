import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { TrafficCounts } from '../ports.ts'
import { bucketOf, quantileMs } from './latency.ts'
import { get, type RouterProcess, startApp, startRouterProcess, until } from './process.suite.ts'

test('answers are counted by their status, those of the router for a project too', async (t) => {
  const { router, app } = await shop(t)
  for (const path of ['/', '/404', '/500', '/301', '/503']) await get(router.port, { path })
  await app.close()
  assert.equal((await get(router.port)).status, 502)
  const { statuses } = await counts(router, 6)
  assert.deepEqual(statuses, [0, 0, 1, 1, 1, 3])
})

test('the time of an answer is the time until it begins, not until its client has read it', async (t) => {
  const { router } = await shop(t)
  await get(router.port, { path: '/slow' })
  const { latency, sumMs } = await counts(router, 1)
  assert.ok(sumMs >= 99 && sumMs < 5_000, `${sumMs}`)
  const p50 = quantileMs(latency, 0.5) ?? 0
  assert.ok(p50 > 70 && bucketOf(p50) === latency[0]?.[0], `${p50}`)
})

test('a client that leaves before its answer is counted as such, and has no time', async (t) => {
  const { router, arrived } = await shop(t)
  const outgoing = request({ port: router.port, path: '/hang', headers: { host: 'shop.localhost' } })
  outgoing.on('error', () => {})
  outgoing.end()
  await arrived()
  assert.equal((await counts(router, 0)).open, 1)
  outgoing.destroy()
  const { statuses, latency, open } = await counts(router, 1)
  assert.deepEqual([statuses, latency, open], [[1, 0, 0, 0, 0, 0], [], 0])
})

test('bytes are those of this request, also on a connection that carries many', async (t) => {
  const { router } = await shop(t)
  const socket = connect(router.port, '127.0.0.1')
  const asks = ['/big', '/', '/']
  for (const path of asks) {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: shop.localhost\r\n\r\n`)
    await until(async () => ((await counts(router, 0)).requests >= asks.indexOf(path) + 1 ? true : null))
  }
  await until(async () => ((await counts(router, 0)).requests === 3 ? true : null))
  const { bytesIn, bytesOut } = await counts(router, 3)
  assert.equal(bytesIn, socket.bytesWritten)
  await until(async () => (socket.bytesRead === 0 ? null : true))
  socket.resume()
  await until(async () => (socket.bytesRead >= bytesOut ? true : null))
  assert.equal(socket.bytesRead, bytesOut)
  socket.destroy()
})

test('a tunnel is one request with 101, under way until it is closed', async (t) => {
  const { router, app } = await shop(t)
  app.server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    socket.pipe(socket)
  })
  const socket = connect(router.port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
  await once(socket, 'data')
  assert.deepEqual([(await counts(router, 0)).open, (await counts(router, 0)).requests], [1, 0])
  socket.write('x'.repeat(5_000))
  await once(socket, 'data')
  socket.destroy()
  const { statuses, open, bytesIn } = await counts(router, 1)
  assert.deepEqual([statuses, open], [[0, 1, 0, 0, 0, 0], 0])
  assert.ok(bytesIn > 5_000, `${bytesIn}`)
})

test('requests to the panel and to nobody are not counted', async (t) => {
  const { router } = await shop(t)
  await get(router.port, { host: 'localhost' })
  await get(router.port, { host: 'nobody.localhost' })
  await get(router.port)
  await counts(router, 1)
  assert.equal((await router.client.traffic()).projects.length, 1)
})

async function shop(t: TestContext) {
  const router = await startRouterProcess(t)
  let here: () => void = () => {}
  const hanging = new Promise<void>((resolve) => {
    here = resolve
  })
  const app = await startApp(t, (incoming, response) => {
    const status = Number(incoming.url?.slice(1)) || 200
    if (incoming.url === '/hang') here()
    else if (incoming.url === '/slow') void answerSlowly()
    else response.writeHead(status).end(incoming.url === '/big' ? 'x'.repeat(100_000) : 'ok')
    async function answerSlowly() {
      await pause(100)
      response.write('first')
      await pause(150)
      response.end('last')
    }
  })
  await router.routes({ endpoints: [{ host: app.host, port: app.port }] })
  return { router, app, arrived: () => hanging }
}

/** Of the only release, once it has counted this many requests. */
async function counts(router: RouterProcess, requests: number): Promise<TrafficCounts> {
  return until(async () => {
    const [found] = (await router.client.traffic()).projects
    return found && found.requests >= requests ? found : null
  })
}
