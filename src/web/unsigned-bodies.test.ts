import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as ask, createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { isRefusal, type RefusalCode } from '../engine/domain/refusal.ts'
import { createUnsignedBodies } from './unsigned-bodies.ts'

const limits = { bytes: 1_048_576, bytesTogether: 2_000, most: 3, patienceMs: 60_000 }

const here = '192.0.2.1'

/** A request of which the test writes the body. */
function request(headers: Readonly<Record<string, string>> = {}): PassThrough & IncomingMessage {
  return Object.assign(new PassThrough(), { headers }) as unknown as PassThrough & IncomingMessage
}

const refused = (read: Promise<Buffer>, code: RefusalCode, words = /./) =>
  assert.rejects(read, (error) => isRefusal(error, code) && words.test(error.message))

test('a body is read whole, and what is cut off, too long or too slow is refused', async () => {
  const bodies = createUnsignedBodies({ ...limits, bytesTogether: 4_000_000, patienceMs: 30 })
  const whole = request()
  const read = bodies.read(whole, here)
  whole.write('{"a"')
  whole.end(':1}')
  assert.equal((await read).toString(), '{"a":1}')

  const cut = request()
  const half = bodies.read(cut, here)
  cut.write('{')
  cut.destroy()
  await refused(half, 'malformed', /in the middle/)

  await refused(bodies.read(request({ 'content-length': '1048577' }), here), 'too_large', /1 MiB/)
  const long = request()
  const tooLong = bodies.read(long, here)
  long.end(Buffer.alloc(1_048_577))
  await refused(tooLong, 'too_large')

  await refused(bodies.read(request(), here), 'malformed', /longer than/)
})

test('where there is no room, the one that has been at it for longest goes, and gives its room back', async () => {
  const bodies = createUnsignedBodies(limits)
  const slow = [request(), request(), request()] as const
  const reads = slow.map((one) => bodies.read(one, here))
  const quick = request()
  const read = bodies.read(quick, here)
  await refused(reads[0] as Promise<Buffer>, 'unavailable')

  slow[1].write(Buffer.alloc(1_500))
  quick.end(Buffer.alloc(600))
  await refused(reads[1] as Promise<Buffer>, 'unavailable')
  assert.equal((await read).length, 600)

  // what was read or refused counts no more
  slow[2].end(Buffer.alloc(1_900))
  assert.equal((await (reads[2] as Promise<Buffer>)).length, 1_900)
})

test('who fills all places or all memory pushes out nobody but himself', async (t) => {
  const bodies = createUnsignedBodies({ ...limits, bytesTogether: 200_000, most: 4 })
  const server = createServer((incoming, response) => {
    bodies.read(incoming, incoming.socket.remoteAddress ?? '').then(
      (body) => response.end(String(body.length)),
      (error) => response.writeHead(isRefusal(error, 'unavailable') ? 503 : 400).end(),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const deliver = async (localAddress: string, length: number) => {
    const outgoing = ask({ host: '127.0.0.1', port, localAddress, method: 'POST', agent: false })
    outgoing.on('error', () => {})
    outgoing.setHeader('Content-Length', length)
    const answered = once(outgoing, 'response').then(([{ statusCode }]) => statusCode as number)
    const arrived = once(server, 'request')
    outgoing.flushHeaders()
    await arrived
    return { outgoing, answered }
  }
  const good = await deliver('127.0.0.2', 60_000)
  good.outgoing.write(Buffer.alloc(10_000))
  // the good one is the oldest of all, and the places are full
  const bad = [await deliver('127.0.0.3', 100_000)]
  while (bad.length < 4) bad.push(await deliver('127.0.0.3', 100_000))
  const [oldest, ...left] = bad
  assert.equal(await oldest?.answered, 503)
  for (const { outgoing } of left) outgoing.write(Buffer.alloc(99_000))
  assert.equal(await Promise.race(left.map(({ answered }) => answered)), 503)
  good.outgoing.end(Buffer.alloc(50_000))
  assert.equal(await good.answered, 200)
})
