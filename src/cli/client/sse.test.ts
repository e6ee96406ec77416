import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createApi } from './api.ts'
import { createEventParser, type Event, follow } from './sse.ts'

test('events come out whole, however the bytes are cut', () => {
  const text =
    'retry: 20\n\n: beat\nid: 1\ndata: one\n\nid: 2\nevent: gap\ndata: a\r\ndata: b\r\n\r\ndata:c\n\nevent: none\n\n'
  const wanted = [
    { id: '1', name: 'message', data: 'one' },
    { id: '2', name: 'gap', data: 'a\nb' },
    { id: '2', name: 'message', data: 'c' },
  ]
  for (let size = 1; size < text.length; size++) {
    const parser = createEventParser()
    const found: Event[] = []
    for (let i = 0; i < text.length; i += size) found.push(...parser.push(text.slice(i, i + size)))
    assert.deepEqual(found, wanted, `pieces of ${size}`)
    assert.equal(parser.retryMs(), 20)
  }
})

type Handler = (request: IncomingMessage, response: ServerResponse, nth: number) => void

async function serving(handler: Handler) {
  let nth = 0
  const server = createServer((request, response) => handler(request, response, nth++))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const stop = new AbortController()
  const api = createApi({ server: url, token: 'np_t', signal: stop.signal, agent: 'test' })
  return { api, stop, close: () => server.close() }
}

test('a connection that breaks is opened again where it broke, without loss or repetition', async () => {
  const asked: (string | undefined)[] = []
  const { api, stop, close } = await serving((request, response, nth) => {
    const from = Number(request.headers['last-event-id'] ?? 0)
    asked.push(`${request.headers['last-event-id'] ?? '-'} ${request.url}`)
    if (nth === 1) return void response.writeHead(503).end()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('retry: 5\n\n')
    for (let i = from + 1; i <= from + 3; i++) response.write(`id: ${i}\ndata: ${i}\n\n`)
    // half an event, then the end: it must not be taken for one
    response.write(`id: ${from + 4}\ndata: ha`)
    setTimeout(() => response.destroy(), 20)
  })
  const seen: string[] = []
  let broken = 0
  for await (const { data } of follow(api, '/log', {
    signal: stop.signal,
    query: { lines: 100, type: 'web' },
    onBroken: () => broken++,
  })) {
    seen.push(data)
    if (seen.length === 9) break
  }
  assert.deepEqual(seen, ['1', '2', '3', '4', '5', '6', '7', '8', '9'])
  assert.ok(broken >= 3)
  assert.equal(asked[0], '- /log?lines=100&type=web')
  assert.equal(asked[1], '3 /log?type=web', 'what was replayed is not asked for again')
  close()
})

test('a stream on which nothing comes any more, not even a heartbeat, is opened again', async () => {
  const { api, stop, close } = await serving((_request, response, nth) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`retry: 5\n\nid: ${nth + 1}\ndata: ${nth + 1}\n\n`)
  })
  const seen: string[] = []
  for await (const { data } of follow(api, '/log', { signal: stop.signal, silenceMs: 50 })) {
    seen.push(data)
    if (seen.length === 3) break
  }
  assert.deepEqual(seen, ['1', '2', '3'])
  close()
})

test('being signed out, or that the project is gone, ends it', async () => {
  for (const [status, exitCode] of [
    [401, 3],
    [404, 4],
  ] as const) {
    const { api, stop, close } = await serving((_request, response, nth) => {
      if (nth > 0) return void response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end('retry: 5\n\ndata: 1\n\n')
    })
    const seen: string[] = []
    const run = async () => {
      for await (const { data } of follow(api, '/log', { signal: stop.signal })) seen.push(data)
    }
    await assert.rejects(run, (error: { exitCode?: number }) => error.exitCode === exitCode)
    assert.deepEqual(seen, ['1'])
    close()
  }
})

test('Ctrl-C ends it at once, also while it waits to try again', async () => {
  const { api, stop, close } = await serving((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end('retry: 9000\n\ndata: 1\n\n')
  })
  const run = async () => {
    for await (const _ of follow(api, '/log', { signal: stop.signal, onBroken: () => stop.abort() })) void _
  }
  const began = performance.now()
  await assert.rejects(run)
  assert.ok(performance.now() - began < 6_000)
  close()
})
