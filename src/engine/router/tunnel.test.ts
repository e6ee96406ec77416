import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { type App, sendRaw, startApp, startPanel, startRouterProcess, text, until } from './process.suite.ts'

/** Answers every message with the same one, and `bye` by closing with a code of its own. */
async function echoApp(t: TestContext): Promise<App> {
  const app = await startApp(t, (_, response) => response.end('plain'))
  const sockets = new WebSocketServer({ server: app.server })
  sockets.on('connection', (socket, incoming) => {
    socket.send(`hello ${incoming.headers['x-forwarded-for']} ${incoming.url}`)
    socket.on('message', (data, isBinary) => {
      if (String(data) === 'bye') socket.close(4001, 'as asked')
      else socket.send(data, { binary: isBinary })
    })
  })
  return app
}

function open(port: number, path = '/'): WebSocket {
  const options = { headers: { host: 'shop.localhost', 'x-forwarded-for': '6.6.6.6' } }
  return new WebSocket(`ws://127.0.0.1:${port}${path}`, options)
}

test('a WebSocket passes through in both directions, up to its closing code', async (t) => {
  const router = await startRouterProcess(t)
  await router.routes({ endpoints: [await echoApp(t)] })
  const socket = open(router.port, '/chat?x=1')
  const [first] = await once(socket, 'message')
  assert.equal(String(first), 'hello 127.0.0.1 /chat?x=1')
  const large = Buffer.alloc(3e6, 'w')
  socket.send(large)
  const [echoed] = await once(socket, 'message')
  assert.ok(large.equals(echoed))
  socket.send('bye')
  const [code, reason] = await once(socket, 'close')
  assert.deepEqual([code, String(reason)], [4001, 'as asked'])
})

test('a WebSocket of the panel passes through its unix socket', async (t) => {
  const router = await startRouterProcess(t)
  const panel = await startPanel(t, router.panelSocket, () => {})
  new WebSocketServer({ server: panel }).on('connection', (socket) => socket.send('log line'))
  const socket = new WebSocket(`ws://127.0.0.1:${router.port}/api/project/1/logs/stream`)
  const [line] = await once(socket, 'message')
  assert.equal(String(line), 'log line')
  socket.terminate()
})

test('a client that is gone closes the connection at the app, and the other way round', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, () => {})
  const sockets = new WebSocketServer({ server: app.server })
  await router.routes({ endpoints: [app] })
  const arrived = once(sockets, 'connection')
  const first = open(router.port)
  const opened = once(first, 'open')
  const [atApp] = await arrived
  await opened
  const closed = once(atApp, 'close')
  first.terminate()
  await closed
  const again = once(sockets, 'connection')
  const second = open(router.port)
  const alsoOpened = once(second, 'open')
  const [other] = await again
  await alsoOpened
  other.terminate()
  await once(second, 'close')
})

test('an open WebSocket holds up a drain until its deadline, or until its client leaves', async (t) => {
  const router = await startRouterProcess(t)
  const app = await echoApp(t)
  await router.routes({ endpoints: [app] })
  const [stays, leaves] = [open(router.port), open(router.port)]
  await Promise.all([once(stays, 'open'), once(leaves, 'open')])
  const drained = router.client.drain([app], 10_000)
  leaves.terminate()
  const closed = once(stays, 'close')
  await router.client.drain([app], 100)
  assert.equal((await closed)[0], 1012)
  assert.deepEqual(await drained, { left: 0 })
})

test('an app that declines the upgrade is heard, headers and body', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, () => {})
  app.server.on('upgrade', (_, socket) => {
    socket.end('HTTP/1.1 403 Forbidden\r\nX-Why: origin\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno')
  })
  await router.routes({ endpoints: [app] })
  const socket = open(router.port)
  const [outgoing, incoming] = (await once(socket, 'unexpected-response')) as [
    ReturnType<typeof request>,
    IncomingMessage,
  ]
  assert.deepEqual([incoming.statusCode, incoming.headers['x-why']], [403, 'origin'])
  assert.equal(await text(incoming), 'no')
  outgoing.destroy()
})

test('a WebSocket to nowhere gets the page of the router', async (t) => {
  const router = await startRouterProcess(t)
  const gone = await startApp(t, () => {})
  await gone.close()
  await router.routes({ state: 'stopped' }, { project: 'gone', endpoints: [gone] })
  const head = 'Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  for (const [host, status] of [
    ['shop.localhost', 503],
    ['nobody.localhost', 404],
    ['gone.localhost', 502],
  ] as const) {
    const answer = await sendRaw(router.port, `GET / HTTP/1.1\r\nHost: ${host}\r\n${head}`)
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
  }
})

test('bytes sent together with the upgrade reach the app, and those after its answer the client', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, () => {})
  app.server.on('upgrade', (_, socket: Socket, head: Buffer) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nearly;')
    if (head.length > 0) socket.unshift(head)
    socket.once('data', (bytes) => socket.end(`got ${bytes}`))
  })
  await router.routes({ endpoints: [app] })
  const socket = connect(router.port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nfirst')
  const answer = await text(socket as Socket & AsyncIterable<Buffer>)
  const [head, rest] = answer.split('\r\n\r\n')
  assert.match(String(head), /^HTTP\/1\.1 101 Switching Protocols\r\n/)
  assert.match(String(head), /\r\nConnection: Upgrade\r\nUpgrade: raw$/)
  assert.equal(rest, 'early;got first')
})

test('an offer of h2c is answered in HTTP/1.1, with the body and on the same connection', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, async (incoming, response) => {
    const { upgrade, connection } = incoming.headers
    response.end(`${incoming.method} ${upgrade} ${connection} ${await text(incoming)};`)
  })
  await router.routes({ endpoints: [app] })
  const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n'
  const socket = connect(router.port, '127.0.0.1')
  const arrived = once(app.server, 'request')
  socket.write(`POST / HTTP/1.1\r\nHost: shop.localhost\r\n${offer}Content-Length: 8\r\n\r\nbody`)
  await arrived
  socket.write('rest')
  const [first] = await once(socket, 'data')
  assert.match(String(first), /POST undefined keep-alive bodyrest;$/)
  socket.write('GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n')
  assert.match(await text(socket as Socket & AsyncIterable<Buffer>), /GET undefined keep-alive ;$/)
})

const upgrade = 'GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n'
const switched = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n'

test('one side of a tunnel may be closed alone: what the other one says still arrives', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, () => {})
  app.server.on('upgrade', (_, socket: Socket) => {
    socket.write(switched)
    let heard = 0
    socket.on('data', (bytes) => {
      heard += bytes.length
    })
    socket.once('end', () => socket.end(`heard ${heard}`))
  })
  await router.routes({ endpoints: [app] })
  const socket = connect({ port: router.port, host: '127.0.0.1', allowHalfOpen: true })
  socket.write(upgrade)
  await once(socket, 'data')
  socket.end(Buffer.alloc(3e6, 'x'))
  assert.equal(await text(socket as Socket & AsyncIterable<Buffer>), 'heard 3000000')
})

test('an app that ends a tunnel has said everything it wrote', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, () => {})
  app.server.on('upgrade', (_, socket: Socket) => {
    socket.write(switched)
    socket.end(Buffer.alloc(20e6, 'x'))
  })
  await router.routes({ endpoints: [app] })
  const socket = connect(router.port, '127.0.0.1')
  socket.write(upgrade)
  let received = 0
  for await (const bytes of socket as Socket & AsyncIterable<Buffer>) received += bytes.length
  assert.ok(received > 20e6, `${received}`)
})

test('in a tunnel, who does not read stops who writes, on both sides', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, () => {})
  const joined = new Promise<Socket>((resolve) => {
    app.server.on('upgrade', (_, socket: Socket) => {
      socket.on('error', () => {})
      socket.write(switched)
      resolve(socket)
    })
  })
  await router.routes({ endpoints: [app] })
  const client = connect(router.port, '127.0.0.1')
  client.on('error', () => {})
  client.write(upgrade)
  await once(client, 'data')
  client.pause()
  for (const writer of [client, (await joined).pause()]) {
    let sent = 0
    const chunk = Buffer.alloc(1e6)
    while (sent < 100e6) {
      sent += chunk.length
      if (writer.write(chunk)) continue
      const drained = await Promise.race([
        once(writer, 'drain'),
        new Promise<null>((resolve) => setTimeout(resolve, 500, null)),
      ])
      if (drained === null) break
    }
    assert.ok(sent < 60e6, `${sent} bytes were taken`)
  }
  client.destroy()
})

test('a tunnel that is silent is asked for by the system on both sides', async (t) => {
  const router = await startRouterProcess(t)
  const app = await echoApp(t)
  await router.routes({ endpoints: [app] })
  const client = connect(router.port, '127.0.0.1')
  const key = randomBytes(16).toString('base64')
  client.write(
    `GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  )
  await once(client, 'data')
  const asksAfterwards = async (from: number | null, to: number | undefined) => {
    const sockets = await socketsOfMachine()
    return sockets.some((one) => (from === null || one.from === from) && one.to === to && one.timer === 2)
  }
  // the timer of an answer on its way comes first
  const onBothSides = async () =>
    (await asksAfterwards(router.port, client.localPort)) && (await asksAfterwards(null, app.port))
  await until(async () => ((await onBothSides()) ? true : null))
  client.destroy()
})

/** Ports, and which timer runs: 2 is that of keep-alive (proc_net_tcp.txt of the kernel). */
async function socketsOfMachine() {
  const lines = (await readFile('/proc/net/tcp', 'utf8')).trim().split('\n').slice(1)
  return lines.map((line) => {
    const [, local = '', remote = '', , , timer = ''] = line.trim().split(/\s+/)
    const port = (address: string) => Number.parseInt(address.split(':')[1] ?? '', 16)
    return { from: port(local), to: port(remote), timer: Number(timer.split(':')[0]) }
  })
}
