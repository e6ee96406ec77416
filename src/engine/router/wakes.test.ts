import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { mostHeld } from './holds.ts'
import { get, type RouterProcess, startApp, startRouterProcess, until } from './process.suite.ts'

const asleep = { state: 'sleeping', endpoints: [] } as const

test('a hundred first requests ask once, wait with their bodies, and all are answered when it is awake', async (t) => {
  const router = await startRouterProcess(t)
  const asked = listen(t, router)
  await router.routes(asleep)
  const large = 'x'.repeat(300_000)
  const waiting = Array.from({ length: 100 }, (_, n) =>
    get(router.port, n % 2 === 0 ? {} : { method: 'POST', body: large }),
  )
  await asked.times(1)
  await until(async () => ((await router.client.status()).open === 100 ? true : null))
  const app = await startApp(t, async (incoming, response) => {
    let size = 0
    for await (const chunk of incoming) size += chunk.length
    response.end(`woken ${size}`)
  })
  await router.routes({ endpoints: [app] })
  const bodies = (await Promise.all(waiting)).map(({ status, body }) => `${status} ${body}`)
  assert.deepEqual([...new Set(bodies)].sort(), ['200 woken 0', '200 woken 300000'])
  assert.deepEqual(asked.all, ['shop'])
  const { projects } = await router.client.traffic()
  assert.deepEqual([projects.length, projects[0]?.open], [1, 0], 'who waited was counted once')
})

test('visitors of a project in maintenance wake nobody, those who are let through do', async (t) => {
  const router = await startRouterProcess(t)
  const asked = listen(t, router)
  await router.routes(
    { ...asleep, maintenance: { page: null, allow: ['203.0.113.7'] } },
    { ...asleep, project: 'blog', maintenance: { page: null, allow: ['127.0.0.1'] } },
  )
  assert.match((await get(router.port)).body, /^shop is in maintenance/)
  const waiting = get(router.port, { host: 'blog.localhost' })
  await asked.times(1)
  assert.deepEqual(asked.all, ['blog'])
  const app = await startApp(t, (_, response) => response.end('woken'))
  await router.routes({ project: 'blog', endpoints: [app] })
  assert.equal((await waiting).body, 'woken')
})

test('a WebSocket waits as well, and is connected when it is awake', async (t) => {
  const router = await startRouterProcess(t)
  const asked = listen(t, router)
  await router.routes(asleep)
  const socket = new WebSocket(`ws://127.0.0.1:${router.port}/`, { headers: { host: 'shop.localhost' } })
  const opened = once(socket, 'open')
  await asked.times(1)
  const app = await startApp(t, (_, response) => response.end())
  const server = new WebSocketServer({ server: app.server })
  server.on('connection', (one) => one.on('message', (data) => one.send(data)))
  await router.routes({ endpoints: [app] })
  await opened
  socket.send('good morning')
  assert.equal(String((await once(socket, 'message'))[0]), 'good morning')
  socket.terminate()
})

test('each request waits for its own time, and then is told to come again', async (t) => {
  const router = await startRouterProcess(t, { limits: { wakeMs: 150 } })
  await router.routes(asleep)
  let over = false
  const first = get(router.port).finally(() => {
    over = true
  })
  // on a machine that stands still its time may be over before anybody could see it wait
  await until(async () => (over || (await router.client.status()).open === 1 ? true : null))
  const began = performance.now()
  const later = get(router.port).then(() => performance.now() - began)
  const { status, headers, body } = await first
  assert.deepEqual([status, headers['retry-after']], [503, '5'])
  assert.match(body, /^shop is waking up\n/)
  assert.ok((await later) >= 145)
  const asked = listen(t, router)
  const next = get(router.port)
  await asked.times(1)
  const app = await startApp(t, (_, response) => response.end('here'))
  await router.routes({ endpoints: [app] })
  await next
  assert.equal((await get(router.port)).body, 'here')
})

test('a project that cannot be woken says why in one sentence, to browsers on a page', async (t) => {
  const router = await startRouterProcess(t)
  const asked = listen(t, router)
  await router.routes(asleep)
  const waiting = [get(router.port), get(router.port, { headers: { accept: 'text/html' } })]
  await asked.times(1)
  await until(async () => ((await router.client.status()).open === 2 ? true : null))
  const sentence = 'The app ended <at once>.'
  assert.deepEqual(await router.client.refuseWake('shop', { sentence, retryAfterS: 7.2 }), { waiting: 2 })
  const [text, page] = await Promise.all(waiting)
  assert.deepEqual([text?.status, text?.headers['retry-after']], [503, '8'])
  assert.equal(text?.body, `shop could not be woken\n${sentence}\n`)
  assert.match(page?.body ?? '', /<h1>shop could not be woken<\/h1><p>The app ended &#60;at once&#62;\.<\/p>/)
})

test('who leaves does not wait, and no more than a bound do', async (t) => {
  const router = await startRouterProcess(t)
  const asked = listen(t, router)
  await router.routes(asleep)
  const sockets = Array.from({ length: mostHeld }, () => {
    const socket = connect(router.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n')
    return socket
  })
  await until(async () => ((await router.client.status()).open === mostHeld ? true : null))
  const beyond = await get(router.port)
  assert.deepEqual([beyond.status, beyond.headers['retry-after']], [503, '5'])
  assert.deepEqual(asked.all, ['shop'])
  for (const socket of sockets) socket.destroy()
  await until(async () => ((await router.client.status()).open === 0 ? true : null))
  const next = connect(router.port, '127.0.0.1')
  next.write('GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n')
  await asked.times(2)
  next.destroy()
})

test('a router that was killed still knows who sleeps, and is listened to again', async (t) => {
  const first = await startRouterProcess(t)
  const asked = listen(t, first)
  await first.routes(asleep)
  await first.kill('SIGKILL')
  const second = await startRouterProcess(t, { folder: first.folder })
  const waiting = get(second.port)
  await asked.times(1)
  const app = await startApp(t, (_, response) => response.end('here'))
  await second.routes({ endpoints: [app] })
  assert.equal((await waiting).body, 'here')
})

test('who waits at a router that ends is answered when the next one knows that the project is awake', async (t) => {
  const first = await startRouterProcess(t)
  const asked = listen(t, first)
  await first.routes(asleep, { ...asleep, project: 'blog' })
  const waiting = [get(first.port), get(first.port, { method: 'POST', body: 'x'.repeat(300_000) })]
  const other = get(first.port, { host: 'blog.localhost' })
  await asked.times(2)
  await until(async () => ((await first.client.status()).open === 3 ? true : null))
  first.child.kill('SIGTERM')
  const exited = once(first.child, 'exit')
  const second = await startRouterProcess(t, { folder: first.folder, port: first.port })
  const app = await startApp(t, async (incoming, response) => {
    let size = 0
    for await (const chunk of incoming) size += chunk.length
    response.end(`woken ${size}`)
  })
  await second.routes({ endpoints: [app] }, { ...asleep, project: 'blog' })
  const bodies = (await Promise.all(waiting)).map(({ status, body }) => `${status} ${body}`)
  assert.deepEqual(bodies, ['200 woken 0', '200 woken 300000'])
  assert.equal(first.child.exitCode, null, 'one still waits')
  await second.routes({ endpoints: [app] }, { project: 'blog', endpoints: [app] })
  assert.equal((await other).body, 'woken 0')
  assert.deepEqual(await exited, [0, null])
})

test('a router that ends, and that none follows, tells those that wait to come again', async (t) => {
  const router = await startRouterProcess(t, { limits: { endMs: 700 } })
  const asked = listen(t, router)
  const app = await startApp(t, (_, response) => response.end('here'))
  await router.routes(asleep, { project: 'blog', endpoints: [app] })
  await router.client.hold('blog', 30_000)
  const waiting = [get(router.port), get(router.port, { host: 'blog.localhost' })]
  await asked.times(1)
  await until(async () => ((await router.client.status()).open === 2 ? true : null))
  await router.kill('SIGTERM')
  for (const { status, headers } of await Promise.all(waiting)) {
    assert.deepEqual([status, headers['retry-after']], [503, '5'])
  }
})

function listen(t: TestContext, { client }: RouterProcess) {
  const all: string[] = []
  const heard = new EventEmitter()
  t.after(
    client.onWake((project) => {
      all.push(project)
      heard.emit('wake')
    }),
  )
  const times = async (count: number) => {
    while (all.length < count) await once(heard, 'wake')
  }
  return { all, times }
}
