import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createNetServer } from 'node:net'
import { test } from 'node:test'
import { get, sendRaw, startApp, startPanel, startRouterProcess, text } from './process.suite.ts'

/** An app that tells what it got. */
function echo(request: IncomingMessage, response: ServerResponse) {
  text(request).then((body) => {
    const { method, url, rawHeaders, rawTrailers } = request
    response.end(JSON.stringify({ method, url, raw: rawHeaders, trailers: rawTrailers, body }))
  })
}

function valuesOf(raw: readonly string[], name: string): string[] {
  return raw.filter((_, n) => n % 2 === 1 && raw[n - 1]?.toLowerCase() === name)
}

test('method, path, body, order and duplicates of headers reach the app unchanged', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, echo)
  await router.routes({ endpoints: [app] })
  const answer = await sendRaw(
    router.port,
    'PUT /a%20b/../c?x=1&&y HTTP/1.1\r\nHost: shop.localhost\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\n' +
      'Connection: close\r\nContent-Length: 5\r\n\r\nhello',
  )
  const seen = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1))
  assert.deepEqual([seen.method, seen.url, seen.body], ['PUT', '/a%20b/../c?x=1&&y', 'hello'])
  const own = seen.raw.filter((_: string, n: number) => /^x-[ab]$/i.test(seen.raw[n - (n % 2)]))
  assert.deepEqual(own, ['X-B', '1', 'x-a', '2', 'X-B', '3'])
  assert.deepEqual(valuesOf(seen.raw, 'host'), ['shop.localhost'])
})

test('duplicates and case of the headers of an answer reach the client unchanged', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => {
    response.writeHead(418, 'Short and stout', [
      'Set-Cookie',
      'a=1',
      'X-CaSe',
      'x',
      'Set-Cookie',
      'b=2',
    ] as string[])
    response.end('tea')
  })
  await router.routes({ endpoints: [app] })
  const got = await get(router.port)
  assert.deepEqual([got.status, got.reason, got.body], [418, 'Short and stout', 'tea'])
  assert.deepEqual(valuesOf(got.raw, 'set-cookie'), ['a=1', 'b=2'])
  assert.ok(got.raw.includes('X-CaSe'))
})

test('hop-by-hop headers and those that Connection names are removed both ways', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (request, response) => {
    const headers = {
      Connection: 'X-Inner',
      'X-Inner': '1',
      'Keep-Alive': 'timeout=77',
      'Proxy-Connection': 'x',
    }
    response.writeHead(200, headers)
    response.end(JSON.stringify(request.rawHeaders))
  })
  await router.routes({ endpoints: [app] })
  const got = await get(router.port, {
    headers: {
      connection: 'close, X-Mine, Host',
      'x-mine': '1',
      'keep-alive': 'timeout=1',
      'proxy-connection': 'keep-alive',
      te: 'trailers',
      'proxy-authorization': 'Basic eDp5',
    },
  })
  const seen = JSON.parse(got.body).map((part: string) => part.toLowerCase())
  for (const name of ['x-mine', 'keep-alive: timeout=1', 'proxy-connection', 'te', 'proxy-authorization']) {
    assert.ok(!seen.includes(name), name)
  }
  assert.deepEqual(valuesOf(seen, 'host'), ['shop.localhost'])
  assert.equal(got.headers['x-inner'], undefined)
  assert.equal(got.headers['proxy-connection'], undefined)
  assert.notEqual(got.headers['keep-alive'], 'timeout=77')
})

test('a client cannot pretend to be somebody else with X-Forwarded-* or Forwarded', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, echo)
  await router.routes({ endpoints: [app] })
  const got = await get(router.port, {
    headers: {
      'x-forwarded-for': '6.6.6.6',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'bank.example',
      'x-forwarded-prefix': '/evil',
      'x-real-ip': '6.6.6.6',
      forwarded: 'for=6.6.6.6',
      'x-request-id': 'mine',
    },
  })
  const { raw } = JSON.parse(got.body)
  assert.deepEqual(valuesOf(raw, 'x-forwarded-for'), ['127.0.0.1'])
  assert.deepEqual(valuesOf(raw, 'x-forwarded-proto'), ['http'])
  assert.deepEqual(valuesOf(raw, 'x-forwarded-host'), ['shop.localhost'])
  assert.deepEqual(valuesOf(raw, 'forwarded'), ['for=127.0.0.1;host="shop.localhost";proto=http'])
  assert.deepEqual(valuesOf(raw, 'x-real-ip').concat(valuesOf(raw, 'x-forwarded-prefix')), [])
  const [id] = valuesOf(raw, 'x-request-id')
  assert.notEqual(id, 'mine')
  assert.equal(got.headers['x-request-id'], id)
})

test('what the trusted proxy says about the client is taken over', async (t) => {
  const router = await startRouterProcess(t, { trustedProxy: '::1' })
  const app = await startApp(t, echo)
  await router.routes({ endpoints: [app] })
  const got = await get(router.port, {
    headers: {
      'x-forwarded-for': '9.9.9.9, 2001:db8::1',
      'x-forwarded-proto': 'https',
      'x-request-id': 'abc-1',
    },
  })
  const { raw } = JSON.parse(got.body)
  assert.deepEqual(valuesOf(raw, 'x-forwarded-for'), ['9.9.9.9, 2001:db8::1'])
  assert.deepEqual(valuesOf(raw, 'x-forwarded-proto'), ['https'])
  assert.deepEqual(valuesOf(raw, 'forwarded'), [
    'for=9.9.9.9;host="shop.localhost";proto=https, for="[2001:db8::1]"',
  ])
  assert.equal(got.headers['x-request-id'], 'abc-1')
})

test('chunked bodies and trailers pass through in both directions', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, async (request, response) => {
    const body = await text(request)
    response.writeHead(200, { Trailer: 'X-Sum' })
    response.write(`${body}:`)
    response.addTrailers({ 'X-Sum': String(request.trailers['x-check']) })
    response.end()
  })
  await router.routes({ endpoints: [app] })
  const options = { host: '127.0.0.1', port: router.port, method: 'POST', agent: false as const }
  const outgoing = request({ ...options, headers: { host: 'shop.localhost', trailer: 'X-Check' } })
  outgoing.write('one')
  outgoing.write('two')
  outgoing.addTrailers({ 'X-Check': '42' })
  outgoing.end()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  assert.equal(await text(incoming), 'onetwo:')
  assert.equal(incoming.trailers['x-sum'], '42')
})

test('HEAD and 304 keep their length and have no body; a POST without a body has length 0', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (request, response) => {
    if (request.method === 'POST') {
      response.end(`${request.headers['content-length']} ${request.headers['transfer-encoding']}`)
      return
    }
    response.writeHead(request.url === '/304' ? 304 : 200, { 'Content-Length': '1234' })
    response.end()
  })
  await router.routes({ endpoints: [app] })
  const head = await get(router.port, { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '1234', ''])
  const unchanged = await get(router.port, { path: '/304' })
  assert.deepEqual([unchanged.status, unchanged.body], [304, ''])
  const post = await sendRaw(
    router.port,
    'POST / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n',
  )
  assert.match(post, /\b0 undefined\b/)
})

test('an HTTP/1.0 client gets an answer that ends with the connection', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => {
    response.write('part ')
    response.end('two')
  })
  await router.routes({ endpoints: [app] })
  const answer = await sendRaw(router.port, 'GET / HTTP/1.0\r\nHost: shop.localhost\r\n\r\n')
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  assert.doesNotMatch(answer, /transfer-encoding/i)
  assert.ok(answer.endsWith('\r\n\r\npart two'))
})

test('"100 Continue" comes from the app, and a refusal comes before the body is sent', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, echo)
  app.server.on('checkContinue', (request, response) => {
    if (request.url === '/no') {
      response.writeHead(413, { Connection: 'close' })
      response.end('too much')
      return
    }
    response.writeContinue()
    echo(request, response)
  })
  await router.routes({ endpoints: [app] })
  const ask = (path: string) => {
    const headers = { host: 'shop.localhost', expect: '100-continue', 'content-length': '4' }
    const outgoing = request({
      host: '127.0.0.1',
      port: router.port,
      path,
      method: 'POST',
      agent: false,
      headers,
    })
    outgoing.flushHeaders()
    return outgoing
  }
  const yes = ask('/yes')
  await once(yes, 'continue')
  yes.end('body')
  const [incoming] = (await once(yes, 'response')) as [IncomingMessage]
  assert.equal(JSON.parse(await text(incoming)).body, 'body')

  const no = ask('/no')
  let continued = false
  no.on('continue', () => {
    continued = true
  })
  const [refused] = (await once(no, 'response')) as [IncomingMessage]
  assert.deepEqual([refused.statusCode, await text(refused), continued], [413, 'too much', false])
  assert.equal(refused.headers.connection, 'close')
  no.destroy()
})

test('early hints of the app reach the client before the answer', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (_, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' })
    response.end('done')
  })
  await router.routes({ endpoints: [app] })
  const headers = { host: 'shop.localhost' }
  const outgoing = request({ host: '127.0.0.1', port: router.port, agent: false, headers })
  outgoing.end()
  const answered = once(outgoing, 'response')
  const [information] = await once(outgoing, 'information')
  assert.equal(information.statusCode, 103)
  assert.equal(information.headers.link, '</style.css>; rel=preload; as=style')
  const [incoming] = (await answered) as [IncomingMessage]
  assert.equal(await text(incoming), 'done')
})

test('a request for a whole URL goes where the URL says, not where the Host header says', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, echo)
  await router.routes({ endpoints: [app] })
  const answer = await sendRaw(
    router.port,
    'GET http://shop.localhost/x?y HTTP/1.1\r\nHost: other.localhost\r\nConnection: close\r\n\r\n',
  )
  const seen = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1))
  assert.equal(seen.url, '/x?y')
  assert.deepEqual(valuesOf(seen.raw, 'host'), ['shop.localhost'])
})

test('a panel on a unix socket streams, and gets the headers of the router', async (t) => {
  const router = await startRouterProcess(t)
  await startPanel(t, router.panelSocket, echo)
  const got = await get(router.port, {
    host: '127.0.0.1:80',
    method: 'POST',
    body: 'pack',
    path: '/git/x.git',
  })
  const seen = JSON.parse(got.body)
  assert.deepEqual([seen.body, seen.url], ['pack', '/git/x.git'])
  assert.deepEqual(valuesOf(seen.raw, 'x-forwarded-for'), ['127.0.0.1'])
  assert.deepEqual(valuesOf(seen.raw, 'host'), ['127.0.0.1:80'])
})

test('an app that answers something else than HTTP is a 502', async (t) => {
  const router = await startRouterProcess(t)
  const server = createNetServer((socket) => {
    socket.on('error', () => {})
    socket.end('SSH-2.0-OpenSSH_9.2\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  await router.routes({ endpoints: [{ host: '127.0.0.1', port }] })
  const got = await get(router.port)
  assert.equal(got.status, 502)
  assert.match(got.body, /shop did not answer/)
})
