import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { get, sendRaw, startApp, startRouterProcess, text } from './process.suite.ts'

const host = 'Host: shop.localhost\r\n'

test('requests sent at once on one connection are answered in order, one after the other', async (t) => {
  const router = await startRouterProcess(t)
  let under = 0
  let most = 0
  const app = await startApp(t, async (request, response) => {
    most = Math.max(most, ++under)
    const body = await text(request)
    // The first ones take longest: without order they would come last.
    await new Promise((resolve) => setTimeout(resolve, 30 - Number(request.url?.slice(1))))
    under--
    response.end(`<${request.method} ${request.url} ${body}>`)
  })
  await router.routes({ endpoints: [app] })
  let bytes = ''
  const expected: string[] = []
  for (let n = 0; n < 24; n += 3) {
    bytes += `GET /${n} HTTP/1.1\r\n${host}\r\n`
    bytes += `POST /${n + 1} HTTP/1.1\r\n${host}Content-Length: 4\r\n\r\nbody`
    bytes += `PUT /${n + 2} HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n`
    expected.push(`<GET /${n} >`, `<POST /${n + 1} body>`, `<PUT /${n + 2} body>`)
  }
  const answer = await sendRaw(router.port, `${bytes}GET /29 HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)
  assert.deepEqual(answer.match(/<[^>]+>/g), [...expected, '<GET /29 >'])
  assert.equal(most, 1)
})

test('ten thousand requests at once that the router answers itself are all answered', async (t) => {
  const router = await startRouterProcess(t)
  const one = 'GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n'
  const last = 'GET / HTTP/1.1\r\nHost: nobody.localhost\r\nConnection: close\r\n\r\n'
  const answer = await sendRaw(router.port, one.repeat(9_999) + last)
  assert.equal(answer.match(/HTTP\/1\.1 404/g)?.length, 10_000)
})

test('a connection goes on after answers of every kind, and ends when the client says so', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (request, response) => {
    if (request.url === '/empty') response.writeHead(204).end()
    else if (request.url === '/304') response.writeHead(304).end()
    else if (request.url === '/chunked') {
      response.write('a')
      response.end('b')
    } else if (request.url === '/close') {
      response.writeHead(200, { Connection: 'close' })
      response.end('app closes')
    } else response.end('ok')
  })
  await router.routes({ endpoints: [app] })
  const paths = ['/', '/empty', '/304', '/chunked', '/close', '/']
  const requests = paths.map((path) => `GET ${path} HTTP/1.1\r\n${host}\r\n`).join('')
  const head = `HEAD / HTTP/1.1\r\n${host}\r\nGET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n`
  const last = `GET / HTTP/1.1\r\n${host}Connection: x, Close\r\n\r\n`
  const answer = await sendRaw(router.port, requests + head + last + last)
  const statuses = answer.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(9))
  assert.deepEqual(statuses, ['200', '204', '304', '200', '200', '200', '200', '404', '200'])
  assert.equal(answer.match(/\r\nConnection: close\r\n/g)?.length, 1)
})

test('an HTTP/1.0 client that asks for it keeps its connection where the answer has a length', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (request, response) => {
    if (request.url === '/part') response.write('part ')
    response.end('end')
  })
  await router.routes({ endpoints: [app] })
  const ask = (path: string) => `GET ${path} HTTP/1.0\r\n${host}Connection: Keep-Alive\r\n\r\n`
  const answer = await sendRaw(router.port, ask('/') + ask('/part') + ask('/'))
  const [, first, second, ...others] = answer.split('HTTP/1.1 200 OK')
  assert.match(String(first), /\r\nConnection: keep-alive\r\n.*end$/s)
  assert.match(String(second), /\r\nConnection: close\r\n\r\npart end$/)
  assert.deepEqual(others, [])
})

test('"100 Continue" of the app keeps the connection, and a client of HTTP/1.0 gets none', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, async (request, response) => response.end(await text(request)))
  await router.routes({ endpoints: [app] })
  const socket = connect(router.port, '127.0.0.1')
  const ask = async () => {
    socket.write(`POST / HTTP/1.1\r\n${host}Expect: 100-Continue\r\nContent-Length: 4\r\n\r\n`)
    const [first] = await once(socket, 'data')
    assert.match(String(first), /^HTTP\/1\.1 100 Continue\r\n/)
    socket.write('body')
    const [answer] = await once(socket, 'data')
    assert.match(String(answer), /^HTTP\/1\.1 200 .*\r\nConnection: keep-alive\r\n.*body$/s)
  }
  await ask()
  await ask()
  socket.destroy()
  const old = `POST / HTTP/1.0\r\n${host}Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody`
  assert.match(await sendRaw(router.port, old), /^HTTP\/1\.1 200 /)
})

test('a client that takes nothing back from a stopped upload still gets its answer', async (t) => {
  const router = await startRouterProcess(t)
  await router.routes({ state: 'stopped' })
  const got = await get(router.port, { method: 'POST', body: 'x'.repeat(5e6) })
  assert.equal(got.status, 503)
})

test('a request goes on when its app has answered early and closed', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (request, response) => {
    if (request.method === 'GET') return response.end('next')
    response.writeHead(413, { Connection: 'close', 'Content-Length': '4' })
    response.end('much', () => request.socket.destroySoon())
  })
  await router.routes({ endpoints: [app] })
  const socket = connect(router.port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.write(`POST / HTTP/1.1\r\n${host}Content-Length: 5000000\r\n\r\n`)
  const [early] = await once(socket, 'data')
  assert.match(String(early), /^HTTP\/1\.1 413 .*much$/s)
  socket.write(Buffer.alloc(5e6))
  socket.write(`GET / HTTP/1.1\r\n${host}\r\n`)
  const [next] = await once(socket, 'data')
  assert.match(String(next), /^HTTP\/1\.1 200 .*next$/s)
})
