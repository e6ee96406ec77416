import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { sendRaw, startApp, startRouterProcess, text, until } from './process.suite.ts'

/** Ways to make two machines see different requests in the same bytes, and other nonsense. */
const get = (lines: string) => `GET / HTTP/1.1\r\n${lines}\r\n\r\n`
const post = (lines: string, body: string) =>
  `POST / HTTP/1.1\r\nHost: shop.localhost\r\n${lines}\r\n\r\n${body}`
const host = 'Host: shop.localhost'
const chunked = 'Transfer-Encoding: chunked'

const attempts: Readonly<Record<string, readonly [status: number, bytes: string]>> = {
  'CL and TE': [400, post(`Content-Length: 6\r\n${chunked}`, '0\r\n\r\nG')],
  'TE and CL': [400, post(`${chunked}\r\nContent-Length: 6`, '0\r\n\r\nG')],
  'two lengths': [400, post('Content-Length: 1\r\nContent-Length: 2', 'ab')],
  'the same length twice': [400, post('Content-Length: 2\r\nContent-Length: 2', 'ab')],
  'a list of lengths': [400, post('Content-Length: 2, 2', 'ab')],
  'a negative length': [400, post('Content-Length: -2', 'ab')],
  'a length with a sign': [400, post('Content-Length: +2', 'ab')],
  'a huge length': [400, post('Content-Length: 99999999999999999999', 'ab')],
  'an empty length': [400, post('Content-Length:', 'ab')],
  'a length with words': [400, post('Content-Length: 2 bytes', 'ab')],
  xchunked: [400, post('Transfer-Encoding: xchunked', '0\r\n\r\n')],
  identity: [400, post('Transfer-Encoding: identity', 'ab')],
  'chunked, identity': [400, post('Transfer-Encoding: chunked, identity', '0\r\n\r\n')],
  'chunked twice': [400, post(`${chunked}\r\n${chunked}`, '0\r\n\r\n')],
  'chunked then identity': [400, post(`${chunked}\r\nTransfer-Encoding: identity`, '0\r\n\r\n')],
  'chunked behind a vertical tab': [400, post('Transfer-Encoding: \x0bchunked', '0\r\n\r\n')],
  'gzip, chunked': [501, post('Transfer-Encoding: gzip, chunked', '0\r\n\r\n')],
  'chunked in HTTP/1.0': [400, `POST / HTTP/1.0\r\n${host}\r\n${chunked}\r\n\r\n0\r\n\r\n`],
  'a space before the colon': [400, get(`${host}\r\nContent-Length : 3`)],
  'a tab before the colon': [400, get(`${host}\r\nTransfer-Encoding\t: chunked`)],
  'a name with a space': [400, get(`${host}\r\nX Y: 3`)],
  'a field without a name': [400, get(`${host}\r\n: 3`)],
  'a line without a colon': [400, get(`${host}\r\nnothing`)],
  'a folded header': [400, get(`${host}\r\nX-A: 1\r\n  Content-Length: 3`)],
  'a folded first line': [400, `GET / HTTP/1.1\r\n ${host}\r\n\r\n`],
  'bare line feeds': [400, `GET / HTTP/1.1\n${host}\n\n`],
  'one bare line feed': [400, get(`${host}\r\nX: 1\nY: 2`)],
  'a bare carriage return': [400, get(`${host}\r\nX: 1\rY: 2`)],
  'CR CR LF': [400, `GET / HTTP/1.1\r\n${host}\r\r\n\r\n`],
  'a NUL in a value': [400, get(`${host}\r\nX: a\0b`)],
  'a NUL in a name': [400, get(`${host}\r\nX\0: b`)],
  'an escape in a value': [400, get(`${host}\r\nX: \x1b[0m`)],
  'a bad chunk size': [400, post(chunked, 'xyz\r\n')],
  'a chunk size with a sign': [400, post(chunked, '-1\r\n')],
  'a chunk size as in C': [400, post(chunked, '0x2\r\nab\r\n')],
  'a chunk size too large': [400, post(chunked, 'fffffffffffffffff\r\n')],
  'a chunk that ends in a line feed': [400, post(chunked, '2\r\nab\n0\r\n\r\n')],
  'a chunk size that ends in a line feed': [400, post(chunked, '2\nab\r\n0\r\n\r\n')],
  'a chunk longer than it says': [400, post(chunked, '2\r\nabc\r\n0\r\n\r\n')],
  'a bare line feed in an extension': [400, post(chunked, '2;x\nab\r\n0\r\n\r\n')],
  'a flood of extensions': [400, post(chunked, `${'1;abcdefgh\r\na\r\n'.repeat(3_000)}`)],
  'a malformed trailer': [400, post(chunked, '0\r\nX : 1\r\n\r\n')],
  'two hosts': [400, get(`${host}\r\nHost: panel.localhost`)],
  'the same host twice': [400, get(`${host}\r\n${host}`)],
  'a list of hosts': [400, get('Host: shop.localhost, panel.localhost')],
  'no host': [400, get('X: 1')],
  'a host with a path': [400, get('Host: shop.localhost/x')],
  'a host with a name in front': [400, get('Host: you@shop.localhost')],
  'a host with a space': [400, get('Host: shop.localhost x')],
  'a whole URL with a name in front': [400, `GET http://x@shop.localhost/ HTTP/1.1\r\n${host}\r\n\r\n`],
  'a whole URL and a bad host': [400, 'GET http://shop.localhost/ HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  'a whole URL of another scheme': [400, `GET ftp://shop.localhost/ HTTP/1.1\r\n${host}\r\n\r\n`],
  'a path without a slash': [400, `GET index.html HTTP/1.1\r\n${host}\r\n\r\n`],
  'a star that asks': [400, `GET * HTTP/1.1\r\n${host}\r\n\r\n`],
  'a space in the path': [400, `GET /a b HTTP/1.1\r\n${host}\r\n\r\n`],
  'two spaces': [400, `GET  / HTTP/1.1\r\n${host}\r\n\r\n`],
  'HTTP/0.9': [400, 'GET /\r\n\r\n'],
  'a version with a space': [400, `GET / HTTP/1.1 \r\n${host}\r\n\r\n`],
  'a version in small letters': [400, `GET / http/1.1\r\n${host}\r\n\r\n`],
  'HTTP/1.2': [505, `GET / HTTP/1.2\r\n${host}\r\n\r\n`],
  'HTTP/2 without asking': [505, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  'a method that is none': [400, `G\x22T / HTTP/1.1\r\n${host}\r\n\r\n`],
  'a long method': [400, `${'A'.repeat(50)} / HTTP/1.1\r\n${host}\r\n\r\n`],
  CONNECT: [501, `CONNECT shop.localhost:1 HTTP/1.1\r\n${host}\r\n\r\n`],
  'an upgrade with a body': [
    400,
    post('Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3', 'abc'),
  ],
  'a long address': [414, `GET /${'a'.repeat(17_000)} HTTP/1.1\r\n${host}\r\n\r\n`],
  'a long header': [431, get(`${host}\r\nX: ${'a'.repeat(40_000)}`)],
  'many headers': [431, get(`${host}\r\n${'X: 1\r\n'.repeat(400)}X: 1`)],
  'an endless start': [431, '\r\n'.repeat(20_000)],
  TLS: [400, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ssh: [400, 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
}

test('ambiguous requests are refused and closed, and no app sees them whole', async (t) => {
  const router = await startRouterProcess(t)
  const seen: string[] = []
  const app = await startApp(t, async (request, response) => {
    const body = await text(request).catch(() => null)
    if (body !== null) seen.push(`${request.method} ${request.url} ${body}`)
    response.end()
  })
  await router.routes({ endpoints: [app] })
  for (const [what, [status, bytes]] of Object.entries(attempts)) {
    const answer = await sendRaw(router.port, bytes)
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), what)
    assert.match(answer, /\r\nconnection: close\r\n/i, what)
    assert.equal(answer.match(/HTTP\/1\.1 \d/g)?.length, 1, what)
  }
  assert.deepEqual(seen, [])
})

test('the same attempts byte by byte are refused all the same', async (t) => {
  const router = await startRouterProcess(t)
  const seen: string[] = []
  const app = await startApp(t, async (request, response) => {
    if ((await text(request).catch(() => null)) !== null) seen.push(String(request.url))
    response.end()
  })
  await router.routes({ endpoints: [app] })
  const short = Object.entries(attempts).filter(([, [, bytes]]) => bytes.length < 300)
  assert.ok(short.length > 50)
  await Promise.all(
    short.map(async ([what, [status, bytes]]) => {
      const socket = connect({ port: router.port, host: '127.0.0.1', noDelay: true })
      socket.on('error', () => {})
      const answer = text(socket)
      for (const byte of bytes) {
        if (socket.writable) socket.write(byte, 'latin1')
        await new Promise((resolve) => setImmediate(resolve))
      }
      assert.match(await answer, new RegExp(`^HTTP/1\\.1 ${status} `), what)
    }),
  )
  assert.deepEqual(seen, [])
})

test('what is smuggled behind a request is a request of its own, with the sender of its connection', async (t) => {
  const router = await startRouterProcess(t)
  const seen: string[] = []
  const app = await startApp(t, async (request, response) => {
    seen.push(`${request.url} ${request.headers['x-forwarded-for']} ${await text(request)}`)
    response.end()
  })
  await router.routes({ endpoints: [app] })
  const inner = 'GET /inner HTTP/1.1\r\nHost: shop.localhost\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n'
  const outer = `POST /outer HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: ${inner.length}\r\n\r\n`
  const last = 'GET /last HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n'
  assert.equal((await sendRaw(router.port, outer + inner + inner + last)).match(/HTTP\/1\.1 200/g)?.length, 3)
  assert.deepEqual(seen, [`/outer 127.0.0.1 ${inner}`, '/inner 127.0.0.1 ', '/last 127.0.0.1 '])
})

test('a bad chunk after the app has begun to answer cuts both connections', async (t) => {
  const router = await startRouterProcess(t)
  const aborted: string[] = []
  const app = await startApp(t, (request, response) => {
    response.write('begun')
    request.on('error', (error) => aborted.push(error.message)).resume()
  })
  await router.routes({ endpoints: [app] })
  const socket = connect(router.port, '127.0.0.1')
  socket.write(post(chunked, '1\r\na\r\n'))
  const [first] = await once(socket, 'data')
  assert.match(String(first), /^HTTP\/1\.1 200 /)
  socket.write('nonsense\r\n')
  await once(socket, 'close')
  await until(async () => (aborted.length > 0 ? true : null))
  assert.deepEqual(aborted, ['aborted'])
})
