import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { type Ask, get, sendRaw, startApp, startRouterProcess, until } from './process.suite.ts'

const browser = { accept: 'text/html,application/xhtml+xml' }
const page = '<!doctype html><title>Back soon</title><style>h1{color:red}</style><h1>Zurück um 9</h1>\n'
const closed = { page, allow: [] }

test('visitors of a project in maintenance get its own page with 503, whatever else stands in the route', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => response.end('app'))
  const hosts = ['shop.localhost', 'shop.example', 'www.shop.example']
  const files = { directory: '/nowhere', within: '/nowhere', index: '/nowhere/list.json', spa: false }
  for (const state of [
    { endpoints: [app] },
    { endpoints: [] },
    { state: 'stopped', endpoints: [] },
    { release: null, state: 'stopped' },
    { static: files },
  ] as const) {
    await router.routes({ hosts, primary: 'shop.example', maintenance: closed, ...state })
    const got = await get(router.port, { host: 'shop.example', path: '/cart?x=1', headers: browser })
    assert.deepEqual([got.status, got.reason, got.body], [503, 'Service Unavailable', page])
    assert.equal(got.headers['content-type'], 'text/html; charset=utf-8')
    assert.equal(got.headers['retry-after'], '60')
    assert.equal(got.headers['cache-control'], 'no-store')
    assert.equal(got.headers['content-length'], String(Buffer.byteLength(page)))
    assert.equal(got.headers['content-security-policy'], undefined, 'its page loads what it wants')
    assert.match(String(got.headers['x-request-id']), /^.+-.+$/)
    const moved = await get(router.port, { host: 'www.shop.example' })
    assert.deepEqual(
      [moved.status, moved.headers.location],
      [308, 'http://shop.example/'],
      'other names still lead to the primary one',
    )
  }
})

test('who accepts no HTML gets two lines of text, and a project without a page that of the front door', async (t) => {
  const router = await startRouterProcess(t)
  await router.routes({ maintenance: closed }, { project: 'blog', maintenance: { page: null, allow: [] } })
  for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }]) {
    const got = await get(router.port, { headers })
    assert.deepEqual([got.status, got.headers['content-type']], [503, 'text/plain; charset=utf-8'])
    assert.match(got.body, /^shop is in maintenance\n[^\n<]+\n$/)
    assert.equal(got.headers['retry-after'], '60')
  }
  const own = await get(router.port, { host: 'blog.localhost', headers: browser })
  assert.match(own.body, /<h1>blog is in maintenance<\/h1>/)
  assert.match(String(own.headers['content-security-policy']), /default-src 'none'/)
})

test('bodies are read and dropped, HEAD has no body, and the connection goes on', async (t) => {
  const router = await startRouterProcess(t)
  await router.routes({ maintenance: closed })
  const head = 'Host: shop.localhost\r\nAccept: text/html\r\n'
  const large = 'x'.repeat(200_000)
  const answer = await sendRaw(
    router.port,
    `HEAD / HTTP/1.1\r\n${head}\r\n` +
      `POST /a HTTP/1.1\r\n${head}Content-Length: ${large.length}\r\n\r\n${large}` +
      `PUT /b HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n` +
      `GET /c HTTP/1.1\r\n${head}Connection: close\r\n\r\n`,
  )
  const answers = answer.split('HTTP/1.1 503 Service Unavailable\r\n').slice(1)
  assert.equal(answers.length, 4, answer)
  const ends = answers.map((one) => [/\r\nConnection: (\S+)/.exec(one)?.[1], one.includes('<h1>')])
  assert.deepEqual(ends, [
    ['keep-alive', false],
    ['keep-alive', true],
    ['keep-alive', true],
    ['close', true],
  ])
  const waits = await sendRaw(
    router.port,
    `POST / HTTP/1.1\r\n${head}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
  )
  assert.match(waits, /^HTTP\/1\.1 503 .*\r\nConnection: close\r\n/s, 'nobody is told to send a body')
})

test('what is under way goes on: requests finish and WebSockets stay, new ones are refused', async (t) => {
  const router = await startRouterProcess(t)
  let finish = () => {}
  const app = await startApp(t, (request, response) => {
    if (request.url !== '/slow') return response.end('app')
    response.write('first, ')
    finish = () => response.end('last')
    return undefined
  })
  const server = new WebSocketServer({ server: app.server })
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  await router.routes({ endpoints: [app] })
  const ws = () => new WebSocket(`ws://127.0.0.1:${router.port}/`, { headers: { host: 'shop.localhost' } })
  const socket = ws()
  await once(socket, 'open')
  const slow = get(router.port, { path: '/slow' })
  await until(async () => ((await router.client.traffic()).projects[0]?.open === 2 ? true : null))

  await router.routes({ endpoints: [app], maintenance: closed })
  const [, refused] = await once(ws(), 'unexpected-response')
  assert.deepEqual([refused.statusCode, refused.headers['retry-after']], [503, '60'])
  refused.destroy()
  socket.send('still here')
  assert.equal(String((await once(socket, 'message'))[0]), 'still here')
  finish()
  assert.equal((await slow).body, 'first, last')
  socket.terminate()

  await router.routes({ endpoints: [app] })
  assert.equal((await get(router.port)).body, 'app')
})

test('addresses of the list are let through, as the proxy in front names them and nobody else', async (t) => {
  const app = { host: '127.0.0.1', port: 0 }
  const answers = await startApp(t, (_, response) => response.end('app'))
  app.port = answers.port
  const allow = ['203.0.113.7', '198.51.100.0/24', '2001:db8::/32', '::ffff:192.0.2.1']
  const ask = async (router: { port: number }, forwarded: string) =>
    (await get(router.port, { headers: { 'x-forwarded-for': forwarded } } satisfies Ask)).status

  const behind = await startRouterProcess(t, { trustedProxy: '127.0.0.1' })
  await behind.routes({ endpoints: [app], maintenance: { page, allow } })
  for (const [forwarded, status] of [
    ['203.0.113.7', 200],
    ['203.0.113.8', 503],
    ['198.51.100.200', 200],
    ['198.51.101.1', 503],
    ['::ffff:203.0.113.7', 200],
    ['::ffff:cb00:7107', 200],
    ['192.0.2.1', 200],
    ['2001:DB8:1::5', 200],
    ['2001:db9::5', 503],
    ['203.0.113.7, 6.6.6.6', 503],
    ['6.6.6.6, 203.0.113.7', 200],
    ['unknown', 503],
  ] as const) {
    assert.equal(await ask(behind, forwarded), status, forwarded)
  }

  // a client that names an allowed address, behind a proxy that adds a line of its own
  const lines = ['203.0.113.7', '6.6.6.6'].map((address) => `X-Forwarded-For: ${address}\r\n`).join('')
  const raw = `GET / HTTP/1.1\r\nHost: shop.localhost\r\n${lines}Connection: close\r\n\r\n`
  assert.match(await sendRaw(behind.port, raw), /^HTTP\/1\.1 503 /)

  const direct = await startRouterProcess(t)
  await direct.routes({ endpoints: [app], maintenance: { page, allow } })
  assert.equal(await ask(direct, '203.0.113.7'), 503, 'anybody could say that')
  for (const everybody of ['127.0.0.0/8', '0.0.0.0/0']) {
    await direct.routes({ endpoints: [app], maintenance: { page, allow: [everybody] } })
    assert.equal(await ask(direct, '6.6.6.6'), 200, everybody)
  }
})

test('its own answers are nobody’s errors, also where an instance was asked before', async (t) => {
  const router = await startRouterProcess(t)
  let ask = 0
  const app = await startApp(t, async (request, response) => {
    if (++ask === 1) return response.end('app')
    // the project goes into maintenance while this request is on a kept connection that then breaks
    await router.routes({ endpoints: [app], maintenance: closed })
    request.socket.destroy()
    return undefined
  })
  await router.routes({ endpoints: [app] })
  assert.equal((await get(router.port)).status, 200)
  assert.equal((await get(router.port)).status, 503)
  assert.equal((await get(router.port)).status, 503)
  assert.equal(ask, 2)
  const [counts, ...others] = (await router.client.traffic()).projects
  assert.deepEqual([counts?.requests, counts?.statuses, counts?.open], [1, [0, 0, 1, 0, 0, 0], 0])
  assert.deepEqual(others, [])
})

test('requests that wait for a change of versions get the page when the wait ends', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => response.end('app'))
  await router.routes({ endpoints: [app] })
  await router.client.hold('shop', 30_000)
  const waiting = get(router.port)
  await until(async () => ((await router.client.hold('shop', 30_000)).waiting === 1 ? true : null))
  await router.routes({ endpoints: [app], maintenance: { page, allow: ['203.0.113.7'] } })
  assert.equal((await get(router.port)).status, 503, 'who comes now does not wait')
  await router.client.hold('shop', 0)
  assert.equal((await waiting).status, 503)
})

test('a router that starts again is still in maintenance, before it hears of anybody', async (t) => {
  const first = await startRouterProcess(t)
  await first.routes({ maintenance: { page, allow: ['203.0.113.0/24'] } })
  await first.kill('SIGKILL')
  const second = await startRouterProcess(t, { folder: first.folder, trustedProxy: '127.0.0.1' })
  const got = await get(second.port, { headers: browser })
  assert.deepEqual([got.status, got.body], [503, page])
  const allowed = await get(second.port, { headers: { 'x-forwarded-for': '203.0.113.9' } })
  assert.match(allowed.body, /is not running/)
})
