import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { get, sendRaw, startApp, startPanel, startRouterProcess, until } from './process.suite.ts'

const browser = { accept: 'text/html,application/xhtml+xml' }

test('a project answers at its hosts in any case, with any port and with a trailing dot', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (request, response) => response.end(`shop for ${request.headers.host}`))
  await router.routes({ hosts: ['shop.localhost', 'Shop.Example'], endpoints: [app] })
  for (const host of [
    'shop.localhost',
    'SHOP.localhost:3000',
    'shop.localhost.',
    'shop.example.:80',
    'Shop.EXAMPLE',
  ]) {
    const got = await get(router.port, { host })
    assert.deepEqual([got.status, got.body], [200, `shop for ${host}`])
  }
})

test('a wildcard is every name directly below, unless that has a route of its own', async (t) => {
  const router = await startRouterProcess(t)
  await startPanel(t, router.panelSocket, (_, response) => response.end('panel'))
  const app = (name: string) => startApp(t, (_, response) => response.end(name))
  await router.routes(
    {
      hosts: ['shop.localhost', '*.shop.example', 'www.shop.net'],
      primary: 'www.shop.net',
      endpoints: [await app('wild')],
    },
    { project: 'blog', hosts: ['blog.shop.example'], endpoints: [await app('own')] },
  )
  for (const [host, status, body] of [
    ['a.shop.example', 200, 'wild'],
    ['B.Shop.Example.:80', 200, 'wild'],
    ['blog.shop.example', 200, 'own'],
    ['shop.localhost', 308, null],
    ['shop.example', 404, null],
    ['a.b.shop.example', 404, null],
    ['*.shop.example', 400, null],
    ['localhost', 200, 'panel'],
  ] as const) {
    const got = await get(router.port, { host })
    assert.equal(got.status, status, host)
    if (body !== null) assert.equal(got.body, body, host)
  }
})

test('the base domain and every address of this machine lead to the panel, all else to a 404 page', async (t) => {
  const router = await startRouterProcess(t)
  await startPanel(t, router.panelSocket, (_, response) => response.end('panel'))
  const shared = ['127.0.0.1', '192.168.7.7:80', '[::1]:3000', 'localhost', 'LOCALHOST.', hostname()]
  for (const host of shared) assert.equal((await get(router.port, { host })).body, 'panel', host)
  await router.client.apply({ version: 1, baseDomain: 'Paas.Example', routes: [] })
  for (const host of [...shared, 'paas.example', 'PAAS.EXAMPLE:443']) {
    assert.equal((await get(router.port, { host })).body, 'panel', host)
  }
  for (const host of ['no.paas.example', 'other.example', 'xpaas.example', '2130706433', '_.localhost']) {
    assert.equal((await get(router.port, { host })).status, 404, host)
  }
  assert.match(await sendRaw(router.port, 'GET / HTTP/1.0\r\n\r\n'), /panel$/)
})

test('pages are HTML for browsers and plain text for others, safe, and never kept', async (t) => {
  const router = await startRouterProcess(t)
  await router.routes({ project: 'a<b>', hosts: ['x.localhost'], state: 'stopped' })
  const text = await get(router.port, { host: 'unknown.localhost', headers: { accept: '*/*' } })
  assert.equal(text.status, 404)
  assert.equal(text.headers['content-type'], 'text/plain; charset=utf-8')
  assert.match(text.body, /^There is no project here\nNo project answers at unknown\.localhost\.\n$/)
  const page = await get(router.port, { host: 'x.localhost', headers: browser })
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  assert.match(page.body, /a&#60;b&#62; is stopped/)
  assert.doesNotMatch(page.body, /<b>|style="|127\.0\.0\.1/)
  assert.match(String(page.headers['content-security-policy']), /^default-src 'none'; style-src 'sha256-/)
  assert.equal(page.headers['x-content-type-options'], 'nosniff')
  assert.equal(page.headers['cache-control'], 'no-store')
  assert.ok(page.headers['x-request-id'])
  const head = await get(router.port, { host: 'x.localhost', method: 'HEAD', headers: browser })
  assert.deepEqual([head.status, head.body], [503, ''])
  assert.equal(head.headers['content-length'], page.headers['content-length'])
})

test('a stopped project and one without instances answer 503 and say when to come again', async (t) => {
  const router = await startRouterProcess(t)
  await router.routes(
    { project: 'off', state: 'stopped', endpoints: [{ host: '127.0.0.1', port: 9 }] },
    { project: 'empty' },
  )
  for (const [host, title] of [
    ['off.localhost', 'off is stopped'],
    ['empty.localhost', 'empty is not running'],
  ] as const) {
    const got = await get(router.port, { host })
    assert.equal(got.status, 503)
    assert.ok(Number(got.headers['retry-after']) > 0)
    assert.ok(got.body.startsWith(title), got.body)
  }
})

test('an app that refuses connections is a 502 within a second, one that dies before answering at once', async (t) => {
  const router = await startRouterProcess(t)
  const gone = await startApp(t, () => {})
  await gone.close()
  let asked = 0
  const dying = await startApp(t, (request) => {
    asked++
    request.socket.destroy()
  })
  await router.routes({ project: 'gone', endpoints: [gone] }, { project: 'dying', endpoints: [dying] })
  const began = performance.now()
  const refused = await get(router.port, { host: 'gone.localhost', method: 'POST', body: 'x' })
  const ms = performance.now() - began
  assert.deepEqual([refused.status, refused.body.split('\n')[0]], [502, 'gone did not answer'])
  assert.ok(ms > 200 && ms < 1_000, `${ms} ms`)
  assert.doesNotMatch(refused.body, /ECONN|127\.0/)
  assert.equal((await get(router.port, { host: 'dying.localhost' })).status, 502)
  assert.equal(asked, 1)
})

test('while the panel restarts its page says so, its API in JSON, and a quick restart is not seen at all', async (t) => {
  const router = await startRouterProcess(t)
  const page = await get(router.port, { host: 'localhost', headers: browser })
  assert.equal(page.status, 503)
  assert.equal(page.headers['retry-after'], '1')
  assert.match(page.body, /The panel is restarting/)
  const api = await get(router.port, { host: 'localhost', path: '/api/project/list' })
  assert.equal(api.headers['content-type'], 'application/problem+json')
  assert.deepEqual([JSON.parse(api.body).status, JSON.parse(api.body).code], [503, 'unavailable'])
  const early = get(router.port, { host: 'localhost', method: 'POST', body: 'kept' })
  await until(async () => ((await router.client.status()).open === 1 ? true : null))
  await startPanel(t, router.panelSocket, (request, response) => request.pipe(response))
  assert.deepEqual([(await early).status, (await early).body], [200, 'kept'])
})

test('with a primary host the others lead on to it, with method, port, path and query kept', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (request, response) => response.end(`shop for ${request.headers.host}`))
  const hosts = ['shop.localhost', 'old.example', 'new.example']
  await router.routes({ hosts, primary: 'New.Example', endpoints: [app] })
  for (const [host, path, location] of [
    ['shop.localhost', '/', 'http://new.example/'],
    ['SHOP.localhost:3000', '/a?b=c&d', 'http://new.example:3000/a?b=c&d'],
    ['old.example.:8080', '//evil.example/%2f..', 'http://new.example:8080//evil.example/%2f..'],
  ] as const) {
    const got = await get(router.port, { host, path, method: 'POST', body: 'kept' })
    assert.deepEqual([got.status, got.headers.location], [308, location])
    assert.equal(got.headers['cache-control'], 'no-store')
  }
  for (const host of ['new.example', 'NEW.example:3000', 'new.example.']) {
    assert.equal((await get(router.port, { host })).body, `shop for ${host}`)
  }
  assert.equal((await get(router.port, { host: 'other.example' })).status, 404)
  const upgrade = await sendRaw(
    router.port,
    'OPTIONS * HTTP/1.1\r\nHost: old.example\r\nConnection: close\r\n\r\n',
  )
  assert.match(upgrade, /\r\nLocation: http:\/\/new\.example\/\r\n/)
})

test('behind the trusted proxy the redirect has its scheme, and nobody else can claim one', async (t) => {
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'old.example' }
  const primary = { hosts: ['old.example', 'new.example'], primary: 'new.example' }
  const proxied = await startRouterProcess(t, { trustedProxy: '127.0.0.1' })
  await proxied.routes(primary)
  const behind = await get(proxied.port, { host: 'old.example', path: '/x', headers })
  assert.equal(behind.headers.location, 'https://new.example/x')
  const open = await startRouterProcess(t)
  await open.routes(primary)
  const claimed = await get(open.port, { host: 'old.example:81', path: '/x', headers })
  assert.equal(claimed.headers.location, 'http://new.example:81/x')
})

test('a WebSocket, whose clients follow no redirects, is served at every host', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, () => {})
  app.server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello')
  })
  await router.routes({ hosts: ['old.example', 'new.example'], primary: 'new.example', endpoints: [app] })
  const lines = ['GET / HTTP/1.1', 'Host: old.example', 'Connection: Upgrade', 'Upgrade: websocket']
  assert.match(await sendRaw(router.port, `${lines.join('\r\n')}\r\n\r\n`), /^HTTP\/1\.1 101 .*hello$/s)
})
