import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { test } from 'node:test'
import { type App, get, startApp, startRouterProcess, text, until } from './process.suite.ts'

interface Load {
  readonly bodies: Map<string, number>
  readonly lost: string[]
  longestGapMs: number
  stop(): Promise<void>
}

/** As many clients as asked, each sending its next request when the last one is answered. */
function load(port: number, clients: number, method: (n: number) => string = () => 'GET'): Load {
  const agent = new Agent({ keepAlive: true })
  const result = { bodies: new Map<string, number>(), lost: [] as string[], longestGapMs: 0 }
  let running = true
  let sent = 0
  const one = () =>
    new Promise<void>((resolve) => {
      const began = performance.now()
      const options = {
        host: '127.0.0.1',
        port,
        agent,
        method: method(sent++),
        headers: { host: 'shop.localhost' },
      }
      const failed = (error: Error) => {
        result.lost.push(error.message)
        resolve()
      }
      const outgoing = request(options, async (incoming) => {
        const body = await text(incoming).catch(failed)
        if (incoming.statusCode === 200)
          result.bodies.set(String(body), (result.bodies.get(String(body)) ?? 0) + 1)
        else result.lost.push(`${incoming.statusCode} ${body}`)
        result.longestGapMs = Math.max(result.longestGapMs, performance.now() - began)
        resolve()
      })
      outgoing.on('error', failed)
      outgoing.end()
    })
  const client = async () => {
    while (running) await one()
  }
  const all = Array.from({ length: clients }, client)
  return Object.assign(result, {
    async stop() {
      running = false
      await Promise.all(all)
      agent.destroy()
    },
  })
}

test('fifty switches under load, the old app closed right after its drain, lose no request', async (t) => {
  const router = await startRouterProcess(t)
  const start = (n: number) => startApp(t, (_, response) => response.end(`v${n}`))
  let app: App = await start(0)
  await router.routes({ endpoints: [app] })
  const traffic = load(router.port, 16, (n) => (n % 4 === 0 ? 'POST' : 'GET'))
  for (let n = 1; n <= 50; n++) {
    const next = await start(n)
    await router.routes({ endpoints: [next] })
    assert.deepEqual(await router.client.drain([app], 5_000), { left: 0 })
    await app.close()
    app = next
  }
  await until(async () => (traffic.bodies.has('v50') ? true : null))
  await traffic.stop()
  assert.deepEqual(traffic.lost, [])
  assert.equal(traffic.bodies.size > 25, true)
  assert.ok(traffic.longestGapMs < 1_000, `${traffic.longestGapMs} ms`)
})

test('an app that closes idle connections after a moment, without a word, loses no request', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => {
    // Without the Keep-Alive header node would send, the router cannot know.
    response.writeHead(200, { Connection: 'keep-alive', 'Content-Length': '2' })
    response.end('ok')
  })
  app.server.keepAliveTimeout = 3
  app.server.on('connection', (socket) => socket.on('data', () => setTimeout(() => socket.destroySoon(), 4)))
  await router.routes({ endpoints: [app] })
  for (let n = 0; n < 200; n++) {
    const got = await get(router.port)
    assert.equal(got.status, 200, `request ${n}`)
    await new Promise((resolve) => setTimeout(resolve, n % 7))
  }
})

test('an app that announces a short keep-alive is believed, also for requests that cannot be sent twice', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (incoming, response) => {
    incoming.resume()
    response.end('ok')
  })
  app.server.keepAliveTimeout = 2
  let connections = 0
  app.server.on('connection', () => connections++)
  await router.routes({ endpoints: [app] })
  for (let n = 0; n < 60; n++) {
    const got = await get(router.port, { method: 'POST', body: 'x' })
    assert.equal(got.status, 200)
    await new Promise((resolve) => setTimeout(resolve, n % 4))
  }
  assert.equal(connections, 60)
})

test('connections to an app are used again', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => response.end('ok'))
  let connections = 0
  app.server.on('connection', () => connections++)
  await router.routes({ endpoints: [app] })
  for (let n = 0; n < 20; n++) await get(router.port)
  assert.equal(connections, 1)
})

test('a request that meets a closed app goes to another instance, or to the one that replaces it', async (t) => {
  const router = await startRouterProcess(t)
  const gone = await startApp(t, () => {})
  await gone.close()
  const app = await startApp(t, async (incoming, response) => response.end(await text(incoming)))
  await router.routes({ endpoints: [gone, app] })
  for (let n = 0; n < 4; n++) {
    const got = await get(router.port, { method: 'POST', body: `body ${n}` })
    assert.deepEqual([got.status, got.body], [200, `body ${n}`])
  }
  await router.routes({ endpoints: [gone] })
  const early = get(router.port, { method: 'POST', body: 'waits' })
  await until(async () => ((await router.client.status()).open === 1 ? true : null))
  await router.routes({ endpoints: [app] })
  assert.equal((await early).body, 'waits')
})

test('the instance with the fewest requests under way gets the next one', async (t) => {
  const router = await startRouterProcess(t)
  const busy = await startApp(t, (incoming, response) => {
    if (incoming.url !== '/hang') response.end('busy')
  })
  await router.routes({ endpoints: [busy] })
  const hanging = request({
    host: '127.0.0.1',
    port: router.port,
    path: '/hang',
    headers: { host: 'shop.localhost' },
  })
  hanging.on('error', () => {})
  const arrived = once(busy.server, 'request')
  hanging.end()
  await arrived
  const idle = await startApp(t, (_, response) => response.end('idle'))
  const other = await startApp(t, (_, response) => response.end('other'))
  await router.routes({ endpoints: [busy, idle, other] })
  const bodies: string[] = []
  for (let n = 0; n < 12; n++) bodies.push((await get(router.port)).body)
  assert.deepEqual([...new Set(bodies)].sort(), ['idle', 'other'])
  hanging.destroy()
})

test('a drain waits for a slow request, tells what is left at its deadline, and idle connections are closed', async (t) => {
  const router = await startRouterProcess(t)
  let finish: () => void = () => {}
  const old = await startApp(t, (incoming, response) => {
    if (incoming.url === '/slow') finish = () => response.end('slow but whole')
    else response.end('quick')
  })
  const next = await startApp(t, (_, response) => response.end('next'))
  await router.routes({ endpoints: [old] })
  const connected = once(old.server, 'connection')
  await get(router.port)
  const [idle] = await connected
  const arrived = once(old.server, 'request')
  const slow = get(router.port, { path: '/slow' })
  await arrived
  await get(router.port)
  await router.routes({ endpoints: [next] })
  const began = performance.now()
  assert.deepEqual(await router.client.drain([old], 150), { left: 1 })
  assert.ok(performance.now() - began >= 149)
  let ended = false
  const drained = router.client.drain([old], 10_000).then((report) => {
    ended = true
    return report
  })
  assert.equal((await get(router.port)).body, 'next')
  assert.equal(ended, false)
  finish()
  assert.equal((await slow).body, 'slow but whole')
  assert.deepEqual(await drained, { left: 0 })
  if (!idle.destroyed) await once(idle, 'close')
  const open = await new Promise((resolve) => old.server.getConnections((_, count) => resolve(count)))
  assert.equal(open, 0)
})
