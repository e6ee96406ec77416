import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { waitForHealth, waitForPort } from './health.ts'

const never = new AbortController().signal

async function withServer(
  server: net.Server,
  work: (port: number) => Promise<void>,
  sockets = new Set<net.Socket>(),
): Promise<void> {
  server.on('connection', (socket: net.Socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await work((server.address() as AddressInfo).port)
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

const answering = (listener: RequestListener, work: (port: number) => Promise<void>) =>
  withServer(createServer(listener), work)

/** Speaks bytes, not HTTP. */
const speaking = (talk: (socket: net.Socket) => void, work: (port: number) => Promise<void>) =>
  withServer(
    net.createServer((socket) => {
      socket.on('error', () => {})
      talk(socket)
    }),
    work,
  )

for (const [path, status, healthy] of [
  [null, 200, true],
  [null, 302, true],
  [null, 401, true],
  [null, 404, true],
  [null, 500, false],
  [null, 503, false],
  ['/up', 204, true],
  ['/up', 308, true],
  ['/up', 404, false],
  ['/up', 401, false],
  ['/up', 500, false],
] as const) {
  test(`${status} at ${path ?? '/'} is ${healthy ? 'healthy' : 'not healthy'} when the health path is ${path ?? 'not set'}`, async () => {
    let asked = ''
    const listener: RequestListener = (request, response) => {
      asked = `${request.method} ${request.url}`
      response.writeHead(status, { location: 'http://127.0.0.1:1/trap' }).end()
    }
    await answering(listener, async (port) => {
      const answer = await waitForHealth({ port, path }, 0, never)
      assert.deepEqual([answer.healthy, answer.status], [healthy, status])
      assert.equal(asked, `GET ${path ?? '/'}`)
    })
  })
}

test('an app that comes round is healthy after a few tries', async () => {
  let tries = 0
  await answering(
    (_request, response) => response.writeHead(++tries < 3 ? 503 : 200).end(),
    async (port) => {
      const answer = await waitForHealth({ port, path: null }, 10_000, never)
      assert.deepEqual([answer.healthy, answer.tries], [true, 3])
    },
  )
})

test('a redirect is an answer and never followed', async () => {
  let trapped = false
  await answering(
    () => {
      trapped = true
    },
    (trap) =>
      answering(
        (_request, response) => response.writeHead(302, { location: `http://127.0.0.1:${trap}/` }).end(),
        async (port) => {
          assert.equal((await waitForHealth({ port, path: '/up' }, 1_000, never)).status, 302)
          assert.equal(trapped, false)
        },
      ),
  )
})

test('a body without end does not hold the check up', async () => {
  await answering(
    (_request, response) => response.write('…'),
    async (port) => assert.equal((await waitForHealth({ port, path: null }, 1_000, never)).healthy, true),
  )
})

test('nobody there: no answer, with the reason', async () => {
  let port = 0
  await answering(
    () => {},
    async (free) => {
      port = free
    },
  )
  const answer = await waitForHealth({ port, path: null }, 0, never)
  assert.deepEqual([answer.healthy, answer.status], [false, null])
  assert.match(answer.problem ?? '', /ECONNREFUSED/)
})

test('silence, and bytes that drip for ever, end at the deadline', async () => {
  const silent = speaking(
    () => {},
    async (port) => {
      const answer = await waitForHealth({ port, path: null }, 100, never)
      assert.equal(answer.problem, 'no answer within 1 s')
    },
  )
  const dripping = speaking(
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx: ')
      const drip = setInterval(() => socket.write('a'), 20)
      socket.on('close', () => clearInterval(drip))
    },
    async (port) => {
      const answer = await waitForHealth({ port, path: null }, 100, never)
      assert.deepEqual([answer.healthy, answer.problem], [false, 'no answer within 1 s'])
    },
  )
  await Promise.all([silent, dripping])
})

test('answers that are no HTTP, or an upgrade nobody asked for, are no answer', async () => {
  for (const text of [
    'SSH-2.0-OpenSSH_9.2\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
  ]) {
    await speaking(
      (socket) => socket.end(text),
      async (port) => {
        const answer = await waitForHealth({ port, path: null }, 0, never)
        assert.deepEqual([answer.healthy, answer.status], [false, null], text)
        assert.ok(answer.problem)
      },
    )
  }
})

test('a cancelled check ends at once', async () => {
  const controller = new AbortController()
  await answering(
    () => controller.abort(new Error('Ctrl-C')),
    (port) => assert.rejects(waitForHealth({ port, path: null }, 60_000, controller.signal)),
  )
})

test('a port is there as soon as something listens, and is not at the deadline', async () => {
  const server = net.createServer()
  await withServer(server, async (port) => {
    assert.equal(await waitForPort(port, 0, never), true)
    await new Promise((resolve) => server.close(resolve))
    assert.equal(await waitForPort(port, 30, never), false)
    const waiting = waitForPort(port, 10_000, never)
    server.listen(port, '127.0.0.1')
    assert.equal(await waiting, true)
  })
})

test('waiting for a port can be cancelled', async () => {
  const controller = new AbortController()
  const waiting = waitForPort(1, 60_000, controller.signal)
  controller.abort(new Error('Ctrl-C'))
  await assert.rejects(waiting)
})
