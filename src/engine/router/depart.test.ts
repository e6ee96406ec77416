import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { get, startApp, startRouterProcess, until } from './process.suite.ts'

const headers = { host: 'shop.localhost' }

test('WebSockets of an old instance go on for their grace, then are closed with 1012; new ones reach the new one', async (t) => {
  const router = await startRouterProcess(t)
  const old = await startApp(t, () => {})
  const next = await startApp(t, () => {})
  new WebSocketServer({ server: old.server }).on('connection', (socket) =>
    socket.on('message', (data) => socket.send(`old ${data}`)),
  )
  new WebSocketServer({ server: next.server }).on('connection', (socket) => socket.send('new'))
  await router.routes({ endpoints: [old] })
  const open = () => new WebSocket(`ws://127.0.0.1:${router.port}/`, { headers })
  const sockets = Array.from({ length: 20 }, open)
  await Promise.all(sockets.map((socket) => once(socket, 'open')))
  const closes = sockets.map((socket) => once(socket, 'close'))
  await router.routes({ endpoints: [next] })
  let drained = false
  const drain = router.client.drain([old], 30_000, 400).finally(() => {
    drained = true
  })
  const [first] = sockets as [WebSocket]
  first.send('still there?')
  assert.equal(String((await once(first, 'message'))[0]), 'old still there?')
  assert.equal(drained, false)
  assert.deepEqual(
    (await Promise.all(closes)).map(([code]) => code),
    sockets.map(() => 1012),
  )
  assert.deepEqual(await drain, { left: 0 })
  const again = open()
  assert.equal(String((await once(again, 'message'))[0]), 'new')
  again.terminate()
})

const upgrade = 'GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
const switched = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

test('a message that is half sent is whole before 1012 comes; one that never ends is cut off', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, () => {})
  const joined: Socket[] = []
  app.server.on('upgrade', (_, socket: Socket) => {
    socket.on('error', () => {})
    socket.on('end', () => socket.end()).resume()
    joined.push(socket)
    // the header says five bytes, and two of them come
    socket.write(`${switched}\x81\x05he`, 'latin1')
  })
  await router.routes({ endpoints: [app] })
  const clients = [0, 1].map(() => {
    const socket = connect(router.port, '127.0.0.1')
    const seen = { socket, bytes: Buffer.alloc(0), closed: once(socket, 'close') }
    socket.on('data', (chunk: Buffer) => {
      seen.bytes = Buffer.concat([seen.bytes, chunk])
    })
    socket.write(upgrade)
    return seen
  })
  const said = ({ bytes }: { readonly bytes: Buffer }) => bytes.toString('latin1').split('\r\n\r\n')[1] ?? ''
  await until(async () => (clients.every((client) => said(client) === '\x81\x05he') ? true : null))
  const drain = router.client.drain([app], 30_000, 0)
  joined[0]?.write('llo')
  assert.deepEqual(await drain, { left: 0 })
  await Promise.all(clients.map(({ closed }) => closed))
  const half = '\x81\x05he'
  assert.deepEqual(clients.map(said).sort(), [half, `${half}llo\x88\x02\x03\xf4`])
})

test('event streams are cut at the end of the grace, an answer that goes on is not', async (t) => {
  const router = await startRouterProcess(t)
  let slow: ServerResponse | null = null
  const app = await startApp(t, (incoming, response) => {
    if (incoming.url === '/events') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write('data: 1\n\n')
    } else {
      response.write('half ')
      slow = response
    }
  })
  await router.routes({ endpoints: [app] })
  const answer = get(router.port, { path: '/slow' })
  const events = get(router.port, { path: '/events' })
  await until(async () => slow)
  await until(async () => ((await router.client.status()).open === 2 ? true : null))
  const drain = router.client.drain([app], 30_000, 300)
  await assert.rejects(events)
  ;(slow as ServerResponse | null)?.end('whole')
  assert.equal((await answer).body, 'half whole')
  assert.deepEqual(await drain, { left: 0 })
})

test('tunnels that are left at the deadline of a drain get their 1012 too', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, () => {})
  new WebSocketServer({ server: app.server })
  await router.routes({ endpoints: [app] })
  const socket = new WebSocket(`ws://127.0.0.1:${router.port}/`, { headers })
  await once(socket, 'open')
  const closed = once(socket, 'close')
  await router.client.drain([app], 50)
  assert.equal((await closed)[0], 1012)
})
