import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventStream } from './event-stream.ts'

/** Two events, and then none until the viewer has left. */
function source() {
  const left = new AbortController()
  let closed = () => {}
  const ended = new Promise<void>((resolve) => {
    closed = resolve
  })
  const events = (async function* () {
    try {
      yield 'data: one\n\n'
      yield 'data: two\n\n'
      await new Promise<void>((resolve) => left.signal.addEventListener('abort', () => resolve()))
    } finally {
      closed()
    }
  })()
  return { events, ended, leave: () => left.abort() }
}

const stay = async () => true

for (const [where, reads] of [
  ['before the first event', 1],
  ['between two events', 2],
  ['while nothing comes', 3],
] as const) {
  test(`a viewer who leaves ${where} leaves nothing open`, async () => {
    const { events, ended, leave } = source()
    const reader = eventStream(events, { mayStay: stay, leave }).body?.getReader()
    for (let n = 0; n < reads; n++) await reader?.read()
    if (reads === 3) void reader?.read()
    if (reads > 1) await new Promise((resolve) => setImmediate(resolve))
    await reader?.cancel()
    if (reads > 1) await ended
    else assert.equal((await events.next()).done, true)
  })
}

test('a viewer who may not stay is let go, with everything that was open for it', async () => {
  const { events, leave } = source()
  const answer = eventStream(events, { mayStay: async () => false, leave, recheckMs: 0 })
  assert.equal(await answer.text(), 'retry: 1000\n\n')
  assert.equal((await events.next()).done, true)
})
