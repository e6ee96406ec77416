import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Endpoint } from '../ports.ts'
import { get, sendRaw, startRouterProcess } from './process.suite.ts'

/** An app that answers every request with these bytes, whatever they are. */
async function rawApp(t: TestContext, answer: (socket: Socket, request: string) => void): Promise<Endpoint> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => answer(socket, bytes.toString('latin1')))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port }
}

const ok = 'HTTP/1.1 200 OK\r\n'

const malformed: Readonly<Record<string, string>> = {
  'a length and an encoding': `${ok}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'two lengths': `${ok}Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc`,
  'a length that is none': `${ok}Content-Length: two\r\n\r\nab`,
  'an encoding nobody asked for': `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'chunked in HTTP/1.0': 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'a folded header': `${ok}X: 1\r\n 2\r\nContent-Length: 0\r\n\r\n`,
  'a space before the colon': `${ok}X : 1\r\nContent-Length: 0\r\n\r\n`,
  'bare line feeds': 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
  'a bare carriage return': `${ok}X: 1\rSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n`,
  'a NUL': `${ok}X: a\0b\r\nContent-Length: 0\r\n\r\n`,
  'an empty line in front': `\r\n${ok}Content-Length: 0\r\n\r\n`,
  'a status that is none': 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n',
  'another version': 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n',
  'a switch nobody asked for': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nraw',
  'a head that is too large': `${ok}${`X: ${'a'.repeat(1_000)}\r\n`.repeat(70)}\r\n`,
  'too many headers': `${ok}${'X: 1\r\n'.repeat(600)}\r\n`,
  'no HTTP': '220 mail.example ESMTP\r\n\r\n',
}

test('a malformed head of an app is a 502 page, and nothing of it reaches the client', async (t) => {
  const router = await startRouterProcess(t)
  let bytes = ''
  const app = await rawApp(t, (socket) => socket.write(bytes, 'latin1'))
  await router.routes({ endpoints: [app] })
  for (const [what, answer] of Object.entries(malformed)) {
    bytes = answer
    const got = await get(router.port)
    assert.deepEqual([got.status, got.body.split('\n')[0]], [502, 'shop did not answer'], what)
    assert.equal(got.headers['set-cookie'], undefined, what)
  }
})

test('an app that informs and never answers is cut off, whoever asks, and holds up nobody else', async (t) => {
  const router = await startRouterProcess(t)
  const floods: Socket[] = []
  const app = await rawApp(t, (socket) => {
    floods.push(socket)
    const go = () => {
      for (let n = 0; n < 500; n++) socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
      if (!socket.destroyed) setImmediate(go)
    }
    go()
  })
  const quick = await rawApp(t, (socket) => socket.write(`${ok}Content-Length: 2\r\n\r\nok`))
  await router.routes({ endpoints: [app] }, { project: 'blog', endpoints: [quick] })
  const old = sendRaw(router.port, 'GET / HTTP/1.0\r\nHost: shop.localhost\r\n\r\n')
  const got = await get(router.port)
  assert.equal(got.status, 502)
  assert.match(await old, /^HTTP\/1\.1 502 /)
  assert.equal((await get(router.port, { host: 'blog.localhost' })).body, 'ok')
  await Promise.all(floods.map((socket) => socket.destroyed || once(socket, 'close')))
})

test('a body that is cut or malformed is cut for the client, never shown as whole', async (t) => {
  const router = await startRouterProcess(t)
  const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`
  let bytes = ''
  const app = await rawApp(t, (socket) => socket.end(bytes, 'latin1'))
  await router.routes({ endpoints: [app] })
  for (const answer of [
    `${ok}Content-Length: 10\r\n\r\nshort`,
    `${chunked}5\r\nhello\r\n`,
    `${chunked}5\r\nhello\r\nnonsense`,
    `${chunked}5\r\nhello\r\n0\r\nTrailer without a colon\r\n\r\n`,
  ]) {
    bytes = answer
    await assert.rejects(get(router.port), { code: 'ECONNRESET' }, answer)
  }
})

test('an answer without a length ends with its connection: chunked for HTTP/1.1, closed for HTTP/1.0', async (t) => {
  const router = await startRouterProcess(t)
  const app = await rawApp(t, (socket) => socket.end('HTTP/1.0 200 OK\r\nX: 1\r\n\r\nuntil the end'))
  await router.routes({ endpoints: [app] })
  const got = await get(router.port)
  assert.deepEqual([got.body, got.headers['transfer-encoding']], ['until the end', 'chunked'])
  const old = await sendRaw(
    router.port,
    'GET / HTTP/1.0\r\nHost: shop.localhost\r\nConnection: keep-alive\r\n\r\n',
  )
  assert.match(old, /\r\nConnection: close\r\n\r\nuntil the end$/)
})

test('bytes after an answer are nobody else’s answer', async (t) => {
  const router = await startRouterProcess(t)
  let connections = 0
  const app = await rawApp(t, (socket, request) => {
    connections++
    const path = /^GET (\S+)/.exec(request)?.[1]
    socket.write(`${ok}Content-Length: 2\r\n\r\n${path}${ok}Content-Length: 4\r\n\r\nevil`)
  })
  await router.routes({ endpoints: [app] })
  for (const path of ['/a', '/b', '/c']) assert.equal((await get(router.port, { path })).body, path)
  assert.equal(connections, 3)
})

test('answers without a body end with their head, whatever length they name', async (t) => {
  const router = await startRouterProcess(t)
  let status = ''
  const app = await rawApp(t, (socket) => socket.write(`HTTP/1.1 ${status}\r\nContent-Length: 5\r\n\r\n`))
  await router.routes({ endpoints: [app] })
  for (const [given, length] of [
    ['204 No Content', undefined],
    ['304 Not Modified', '5'],
  ] as const) {
    status = given
    const got = await get(router.port)
    assert.deepEqual(
      [`${got.status} ${got.reason}`, got.headers['content-length'], got.body],
      [given, length, ''],
    )
  }
  status = '200 OK'
  assert.equal((await get(router.port, { method: 'HEAD' })).headers['content-length'], '5')
})

test('an app without a clock gets the date of the router, one with keeps its own', async (t) => {
  const router = await startRouterProcess(t)
  let date = ''
  const app = await rawApp(t, (socket) => socket.write(`${ok}${date}Content-Length: 0\r\n\r\n`))
  await router.routes({ endpoints: [app] })
  assert.ok(Math.abs(Date.parse((await get(router.port)).headers.date ?? '') - Date.now()) < 5_000)
  date = 'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n'
  assert.equal((await get(router.port)).headers.date, 'Sun, 06 Nov 1994 08:49:37 GMT')
})

test('every answer that only informs is passed on, to clients that understand it', async (t) => {
  const router = await startRouterProcess(t)
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n'
  const infos = `HTTP/1.1 100 Continue\r\n\r\n${hints}HTTP/1.1 102 Processing\r\n\r\n${hints}`
  const app = await rawApp(t, (socket) => socket.write(`${infos}${ok}Content-Length: 4\r\n\r\ndone`))
  await router.routes({ endpoints: [app] })
  const lines = 'Host: shop.localhost\r\nConnection: close\r\n\r\n'
  const answer = await sendRaw(router.port, `GET / HTTP/1.1\r\n${lines}`)
  assert.deepEqual(
    answer.match(/^HTTP\/1\.1 \d+/gm),
    ['103', '102', '103', '200'].map((status) => `HTTP/1.1 ${status}`),
  )
  const old = await sendRaw(router.port, `GET / HTTP/1.0\r\n${lines}`)
  assert.deepEqual(old.match(/^HTTP\/1\.1 \d+/gm), ['HTTP/1.1 200'])
})

test('an answer that ends with its connection is whole, also where its head came alone', async (t) => {
  const router = await startRouterProcess(t)
  const app = await rawApp(t, (socket) => {
    socket.setNoDelay(true)
    socket.write(`${ok}Content-Type: text/plain\r\n\r\n`)
    setTimeout(() => socket.end('whole'), 100)
  })
  await router.routes({ endpoints: [app] })
  assert.equal((await get(router.port)).body, 'whole')
  const raw = await sendRaw(
    router.port,
    'GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n',
  )
  assert.match(raw, /\r\n\r\n5\r\nwhole\r\n0\r\n\r\n$/)
})
