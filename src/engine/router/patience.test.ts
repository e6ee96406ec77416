import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type RouterProcess, startApp, startRouterProcess, text, until } from './process.suite.ts'

/** Sends a beginning and then bytes one by one until the connection is closed; what came back, after how long. */
async function trickle({ port }: RouterProcess, start: string, everyMs: number, byte = 'a') {
  const began = performance.now()
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(start)
  const timer = setInterval(() => socket.writable && socket.write(byte), everyMs)
  let answer = ''
  socket.on('data', (bytes) => {
    answer += bytes
  })
  // a byte that meets the closed connection is answered with a reset: that too is its end
  await new Promise((resolve) => socket.once('close', resolve))
  clearInterval(timer)
  return { answer, ms: performance.now() - began }
}

const head = 'Host: shop.localhost\r\n'

test('a head that trickles in is given up in time, however it trickles, and so is a client that says nothing', async (t) => {
  const router = await startRouterProcess(t, { limits: { headMs: 1_000 } })
  await router.routes({ endpoints: [] })
  const [first, later, silent, empty] = await Promise.all([
    trickle(router, 'GET / HTTP/1.1\r\nX: ', 100),
    trickle(router, `GET / HTTP/1.1\r\n${head}\r\nGET /again HTTP/1.1\r\n${head}X: `, 100),
    trickle(router, '', 100, ''),
    trickle(router, '', 100, '\r\n'),
  ])
  assert.match(first.answer, /^HTTP\/1\.1 408 .*\r\nConnection: close\r\n/s)
  assert.match(later.answer, /^HTTP\/1\.1 503 .*HTTP\/1\.1 408 .*\r\nConnection: close\r\n/s)
  assert.equal(silent.answer + empty.answer, '')
  for (const { ms } of [first, later, silent, empty]) assert.ok(ms >= 1_000 && ms < 20_000, `${ms}`)
})

test('a body may take as long as it takes while it moves, and is given up when it stands still', async (t) => {
  const router = await startRouterProcess(t, { limits: { bodyIdleMs: 1_500, headMs: 500 } })
  const app = await startApp(t, async (request, response) =>
    response.end(await text(request).catch(() => 'cut')),
  )
  await router.routes({ endpoints: [app] })
  const slow = connect(router.port, '127.0.0.1')
  slow.write(`POST / HTTP/1.1\r\n${head}Connection: close\r\nContent-Length: 10\r\n\r\n`)
  const whole = text(slow)
  const aborted = new Promise((resolve) =>
    app.server.once('request', (request) => request.once('close', resolve)),
  )
  for (let n = 0; n < 10; n++) {
    await pause(400)
    slow.write('x')
  }
  assert.match(await whole, /^HTTP\/1\.1 200 .*x{10}$/s)
  await aborted
  const still = connect(router.port, '127.0.0.1')
  still.write(`POST / HTTP/1.1\r\n${head}Content-Length: 10\r\n\r\nhalf`)
  assert.match(await text(still), /^HTTP\/1\.1 408 Request Timeout\r\n/)
})

test('an app may take its time: while it thinks, or does not read, no limit of the client runs', async (t) => {
  const router = await startRouterProcess(t, { limits: { bodyIdleMs: 500, headMs: 500, keepAliveMs: 500 } })
  const app = await startApp(t, (request, response) => {
    setTimeout(async () => response.end(String((await text(request)).length)), 3_000)
  })
  await router.routes({ endpoints: [app] })
  const ask = (body: string) => {
    const socket = connect(router.port, '127.0.0.1')
    const length = `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`
    socket.write(`POST / HTTP/1.1\r\n${head}${length}${body}`)
    return text(socket)
  }
  const [small, large] = await Promise.all([ask(''), ask('x'.repeat(8e6))])
  assert.match(small, /\b0\b/)
  assert.match(large, /\b8000000\b/)
})

test('a client that does not read its answer is given up, one that reads slowly is not', async (t) => {
  const router = await startRouterProcess(t, { limits: { writeIdleMs: 1_500 } })
  const closed: string[] = []
  const app = await startApp(t, (request, response) => {
    response.once('close', () => closed.push(String(request.url)))
    response.end(Buffer.alloc(30e6))
  })
  await router.routes({ endpoints: [app] })
  const ask = (path: string) => {
    const socket = connect(router.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(`GET ${path} HTTP/1.1\r\n${head}Connection: close\r\n\r\n`)
    return socket
  }
  const [deaf, slow] = [ask('/deaf'), ask('/slow')]
  let received = 0
  slow.on('data', (bytes) => {
    received += bytes.length
    slow.pause()
    setTimeout(() => slow.resume(), 1)
  })
  await Promise.all([once(slow, 'end'), until(async () => (closed.includes('/deaf') ? true : null))])
  assert.ok(received > 30e6, `${received}`)
  deaf.destroy()
})

test('a large answer may take longer than a client may stand still, as long as it moves', async (t) => {
  const router = await startRouterProcess(t, { limits: { writeIdleMs: 2_500 } })
  const app = await startApp(t, (_, response) => response.end(Buffer.alloc(24e6)))
  await router.routes({ endpoints: [app] })
  const socket = connect(router.port, '127.0.0.1')
  socket.write(`GET / HTTP/1.1\r\n${head}Connection: close\r\n\r\n`)
  let received = 0
  // steadily and never at once: at every look there is as much left to write as at the one before
  socket.on('data', (bytes) => {
    received += bytes.length
    socket.pause()
    setTimeout(() => socket.resume(), (bytes.length / 24e6) * 8_000)
  })
  await once(socket, 'close')
  assert.ok(received > 24e6, `${received}`)
})

test('a connection that is idle between requests is closed after a while, one in use stays', async (t) => {
  const router = await startRouterProcess(t, { limits: { keepAliveMs: 2_000 } })
  const app = await startApp(t, (_, response) => response.end('ok'))
  await router.routes({ endpoints: [app] })
  const socket = connect(router.port, '127.0.0.1')
  const closed = once(socket, 'close')
  for (let n = 0; n < 5; n++) assert.match(await askOn(socket), /\r\nKeep-Alive: timeout=2\r\n/)
  for (let n = 0; n < 4; n++) {
    await pause(1_100)
    await askOn(socket)
  }
  await closed
})

async function askOn(socket: Socket): Promise<string> {
  socket.write(`GET / HTTP/1.1\r\n${head}\r\n`)
  const [answer] = await once(socket, 'data')
  return String(answer)
}
