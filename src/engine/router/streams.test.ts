import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { get, type RouterProcess, startApp, startRouterProcess, text, until } from './process.suite.ts'

function ask({ port }: RouterProcess, method: string, path = '/'): ClientRequest {
  const headers = { host: 'shop.localhost' }
  return request({ host: '127.0.0.1', port, method, path, headers, agent: false })
}

/** Memory of a process that is its own, KiB. */
async function privateKiB(pid: number | undefined): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/Private_Dirty:\s+(\d+)/.exec(rollup)?.[1])
}

test('an upload of 200 MB to a slow app arrives whole while the memory of the router stays flat', async (t) => {
  const router = await startRouterProcess(t)
  let received = 0
  let peak = 0
  const app = await startApp(t, async (incoming, response) => {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      const before = received
      received += chunk.length
      // A look now and then, with a pause long enough for a buffering proxy to run ahead by far.
      if (Math.floor(before / 20e6) !== Math.floor(received / 20e6)) {
        await new Promise((resolve) => setTimeout(resolve, 50))
        peak = Math.max(peak, await privateKiB(router.child.pid))
      }
    }
    response.end(String(received))
  })
  await router.routes({ endpoints: [app] })
  const before = await privateKiB(router.child.pid)
  const outgoing = ask(router, 'POST')
  const chunk = Buffer.alloc(1e6, 'x')
  const answer = once(outgoing, 'response')
  for (let n = 0; n < 200; n++) if (!outgoing.write(chunk)) await once(outgoing, 'drain')
  outgoing.end()
  const [incoming] = (await answer) as [IncomingMessage]
  assert.equal(await text(incoming), '200000000')
  assert.ok(peak - before < 60_000, `grew by ${peak - before} KiB`)
})

test('a client that does not read stops the app from sending', async (t) => {
  const router = await startRouterProcess(t)
  let sent = 0
  const app = await startApp(t, async (_, response) => {
    const chunk = Buffer.alloc(1e6)
    while (sent < 100e6) {
      sent += chunk.length
      if (!response.write(chunk) && !response.destroyed) {
        await Promise.race([once(response, 'drain'), once(response, 'close')])
      }
      if (response.destroyed) return
    }
    response.end()
  })
  await router.routes({ endpoints: [app] })
  const socket = connect(router.port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n')
  await once(socket, 'readable')
  // The buffers of the kernel fill up; after that nothing moves.
  let before = -1
  while (before !== sent) {
    before = sent
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  assert.ok(sent < 60e6, `${sent} bytes were sent to nobody`)
  socket.destroy()
})

test('a client that asks on and on and reads no answer has to wait, and gets them all when it reads', async (t) => {
  const router = await startRouterProcess(t)
  const page = 'x'.repeat(65_536)
  await router.routes({ maintenance: { page, allow: [] } })
  const before = await privateKiB(router.child.pid)
  const [most, head] = [2_000, 'GET / HTTP/1.1\r\nHost: shop.localhost\r\nAccept: text/html\r\n']
  const socket = connect(router.port, '127.0.0.1')
  socket.pause()
  socket.write(`${`${head}\r\n`.repeat(most - 1)}${head}Connection: close\r\n\r\n`)
  // another one is answered meanwhile, again and again
  for (let n = 0; n < 200; n++) await get(router.port)
  const grown = (await privateKiB(router.child.pid)) - before
  assert.ok(grown < 30_000, `grew by ${grown} KiB`)
  let [read, rest] = [0, '']
  for await (const bytes of socket as AsyncIterable<Buffer>) {
    const parts = `${rest}${bytes.toString('latin1')}`.split('HTTP/1.1 503')
    read += parts.length - 1
    rest = parts.at(-1)?.slice(-11) ?? ''
  }
  assert.equal(read, most)
})

test('server-sent events arrive one by one, and the headers before the first of them', async (t) => {
  const router = await startRouterProcess(t)
  const waiting: (() => void)[] = []
  const app = await startApp(t, async (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.flushHeaders()
    for (let n = 0; n < 3; n++) {
      await new Promise<void>((resolve) => waiting.push(resolve))
      response.write(`data: ${n}\n\n`)
    }
    response.end()
  })
  await router.routes({ endpoints: [app] })
  const outgoing = ask(router, 'GET')
  outgoing.end()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  let fastestMs = Number.POSITIVE_INFINITY
  for (let n = 0; n < 3; n++) {
    // The app sends the next event only after the last one was seen here.
    waiting.shift()?.()
    const began = performance.now()
    const [event] = await once(incoming, 'data')
    assert.equal(String(event), `data: ${n}\n\n`)
    fastestMs = Math.min(fastestMs, performance.now() - began)
  }
  // a proxy that collects delays every one of them, a busy machine some
  assert.ok(fastestMs < 500, `${fastestMs} ms`)
})

test('an answer may begin before the request has ended', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (incoming, response) => {
    response.flushHeaders()
    incoming.on('data', (chunk) => response.write(`${chunk}!`))
    incoming.on('end', () => response.end())
  })
  await router.routes({ endpoints: [app] })
  const outgoing = ask(router, 'POST')
  outgoing.flushHeaders()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  for (const word of ['one', 'two']) {
    outgoing.write(word)
    assert.equal(String((await once(incoming, 'data'))[0]), `${word}!`)
  }
  outgoing.end()
  await once(incoming.resume(), 'end')
})

test('a client that goes away ends the request at the app', async (t) => {
  const router = await startRouterProcess(t)
  let seen: (request: IncomingMessage) => void = () => {}
  const app = await startApp(t, (incoming) => seen(incoming))
  await router.routes({ endpoints: [app] })
  for (const method of ['GET', 'POST']) {
    const arrived = new Promise<IncomingMessage>((resolve) => {
      seen = resolve
    })
    const outgoing = ask(router, method)
    outgoing.on('error', () => {})
    if (method === 'POST') outgoing.write('part')
    else outgoing.end()
    const { socket } = await arrived
    const closed = new Promise((resolve) => socket.once('close', resolve))
    outgoing.destroy()
    await closed
  }
  assert.equal((await router.client.status()).open, 0)
})

test('an answer that the app breaks off is broken off for the client', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, (incoming, response) => {
    if (incoming.url === '/length') response.setHeader('Content-Length', '100')
    response.write('some')
    setImmediate(() => response.destroy())
  })
  await router.routes({ endpoints: [app] })
  for (const path of ['/length', '/chunked']) {
    const outgoing = ask(router, 'GET', path)
    outgoing.end()
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    await assert.rejects(text(incoming), { code: 'ECONNRESET' })
    assert.equal(incoming.complete, false)
  }
})

test('a client that goes away ends the request at the app, also when it has sent the next one already', async (t) => {
  const router = await startRouterProcess(t)
  const app = await startApp(t, () => {})
  await router.routes({ endpoints: [app] })
  const head = 'GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n'
  for (const leave of ['destroy', 'resetAndDestroy'] as const) {
    const arrived = once(app.server, 'request')
    const client = connect(router.port, '127.0.0.1')
    client.write(`${head}${head}${head}`)
    const [{ socket }] = (await arrived) as [IncomingMessage]
    const closed = once(socket, 'close')
    client[leave]()
    await closed
  }
  await until(async () => ((await router.client.status()).open === 0 ? true : null))
})

test('a client of HTTP/1.0 can tell an answer that is broken off from a whole one', async (t) => {
  const router = await startRouterProcess(t)
  let breakOff = () => {}
  const app = await startApp(t, (incoming, response) => {
    response.write('some')
    if (incoming.url === '/whole') response.end()
    else breakOff = () => response.destroy()
  })
  await router.routes({ endpoints: [app] })
  const send = async (path: string) => {
    const client = connect(router.port, '127.0.0.1')
    client.write(`GET ${path} HTTP/1.0\r\nHost: shop.localhost\r\n\r\n`)
    await once(client, 'data')
    return client
  }
  const whole = await send('/whole')
  await once(whole.resume(), 'end')
  const part = await send('/part')
  const failed = once(part, 'error')
  breakOff()
  assert.equal(((await failed) as [NodeJS.ErrnoException])[0].code, 'ECONNRESET')
})

test('an app that answers before it reads the body is heard, gets all of it, and the connection goes on', async (t) => {
  const router = await startRouterProcess(t)
  let received = 0
  const app = await startApp(t, (incoming, response) => {
    if (incoming.method === 'GET') {
      response.end(`next after ${received}`)
      return
    }
    response.writeHead(413)
    response.end('too much')
    incoming.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
  })
  // Nothing but the router's own care may move the rest of the body.
  app.server.keepAliveTimeout = 0
  await router.routes({ endpoints: [app] })
  const socket = connect(router.port, '127.0.0.1')
  t.after(() => socket.destroy())
  const read = async (end: string) => {
    let answer = ''
    while (!answer.endsWith(end)) answer += String((await once(socket, 'data'))[0])
    return answer
  }
  const head = 'Host: shop.localhost\r\n'
  socket.write(`POST / HTTP/1.1\r\n${head}Content-Length: 20000000\r\n\r\n`)
  assert.match(await read('too much\r\n0\r\n\r\n'), /^HTTP\/1\.1 413 /)
  socket.write(Buffer.alloc(20e6))
  socket.write(`GET / HTTP/1.1\r\n${head}\r\n`)
  assert.match(await read('next after 20000000'), /^HTTP\/1\.1 200 /)
})
