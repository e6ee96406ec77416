import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { isRefusal, type RefusalCode } from '../engine/domain/refusal.ts'
import { createUnsignedBodies } from './unsigned-bodies.ts'

const limits = { bytes: 1_048_576, bytesTogether: 2_000, most: 3, patienceMs: 60_000 }

/** A request of which the test writes the body. */
function request(headers: Readonly<Record<string, string>> = {}): PassThrough & IncomingMessage {
  return Object.assign(new PassThrough(), { headers }) as unknown as PassThrough & IncomingMessage
}

const refused = (read: Promise<Buffer>, code: RefusalCode, words = /./) =>
  assert.rejects(read, (error) => isRefusal(error, code) && words.test(error.message))

test('a body is read whole, and what is cut off, too long or too slow is refused', async () => {
  const bodies = createUnsignedBodies({ ...limits, bytesTogether: 4_000_000, patienceMs: 30 })
  const whole = request()
  const read = bodies.read(whole)
  whole.write('{"a"')
  whole.end(':1}')
  assert.equal((await read).toString(), '{"a":1}')

  const cut = request()
  const half = bodies.read(cut)
  cut.write('{')
  cut.destroy()
  await refused(half, 'malformed', /in the middle/)

  await refused(bodies.read(request({ 'content-length': '1048577' })), 'too_large', /1 MiB/)
  const long = request()
  const tooLong = bodies.read(long)
  long.end(Buffer.alloc(1_048_577))
  await refused(tooLong, 'too_large')

  await refused(bodies.read(request()), 'malformed', /longer than/)
})

test('where there is no room, the one that has been at it for longest goes, and gives its room back', async () => {
  const bodies = createUnsignedBodies(limits)
  const slow = [request(), request(), request()] as const
  const reads = slow.map((one) => bodies.read(one))
  const quick = request()
  const read = bodies.read(quick)
  await refused(reads[0] as Promise<Buffer>, 'unavailable')

  slow[1].write(Buffer.alloc(1_500))
  quick.end(Buffer.alloc(600))
  await refused(reads[1] as Promise<Buffer>, 'unavailable')
  assert.equal((await read).length, 600)

  // what was read or refused counts no more
  slow[2].end(Buffer.alloc(1_900))
  assert.equal((await (reads[2] as Promise<Buffer>)).length, 1_900)
})
