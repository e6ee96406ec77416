import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { pickUpstream } from './balance.ts'
import { get, startApp, startRouterProcess } from './process.suite.ts'
import { Upstream } from './upstream.ts'

function upstreams(...open: number[]): Upstream[] {
  return open.map((count, n) => {
    const upstream = new Upstream(`u${n}`, { host: '127.0.0.1', port: 1 })
    for (let n = 0; n < count; n++) upstream.begin()
    return upstream
  })
}

/** Random numbers that repeat with every run. */
function seeded(): () => number {
  let state = 7
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

test('the fewest open requests win, and among equals everyone gets a fair share', () => {
  const all = upstreams(3, 1, 2, 1, 1)
  const random = seeded()
  const picked = new Map<string, number>()
  for (let n = 0; n < 3_000; n++) {
    const { key } = pickUpstream(all, null, 0, random) as Upstream
    picked.set(key, (picked.get(key) ?? 0) + 1)
  }
  assert.deepEqual([...picked.keys()].sort(), ['u1', 'u3', 'u4'])
  for (const count of picked.values()) assert.ok(count > 850 && count < 1_150, `${count}`)
})

test('an instance that refused is passed over for longer each time, and comes back when it accepts', () => {
  const [bad, good] = upstreams(0, 5) as [Upstream, Upstream]
  const pick = (now: number) => pickUpstream([bad, good], null, now, Math.random)
  bad.refused(1_000)
  // Refusals of requests that were under way at the same time count once.
  bad.refused(1_001)
  assert.deepEqual([pick(1_249), pick(1_250)], [good, bad])
  bad.refused(1_250)
  assert.deepEqual([pick(1_749), pick(1_750)], [good, bad])
  for (let now = 1_750, n = 0; n < 20; n++, now += 10_000) bad.refused(now)
  assert.deepEqual([pick(201_749), pick(201_750)], [good, bad])
  bad.accepted()
  assert.equal(pick(191_751), bad)
})

test('when every instance is set aside they are tried anyway, but not by the request they have just refused', () => {
  const all = upstreams(1, 0)
  for (const upstream of all) upstream.refused(0)
  assert.equal(pickUpstream(all, null, 1, Math.random), all[1])
  assert.equal(pickUpstream(all, new Set(['u1']), 1, Math.random), all[0])
  assert.equal(pickUpstream(all, new Set(['u0', 'u1']), 1, Math.random), undefined)
})

test('while one instance is away the others serve everything, and when it is back it serves again', async (t) => {
  const router = await startRouterProcess(t)
  const answer = (name: string) => startApp(t, (_, response) => response.end(name))
  const [one, two] = [await answer('one'), await answer('two')]
  await router.routes({ endpoints: [one, two] })
  await one.close()
  const bodies = await Promise.all(Array.from({ length: 40 }, async () => (await get(router.port)).body))
  assert.deepEqual([...new Set(bodies)], ['two'])
  const back = await startApp(t, (_, response) => response.end('back'), one.port)
  const served = once(back.server, 'request')
  let done = false
  served.then(() => {
    done = true
  })
  // Nobody is harmed by the tries: every answer is whole.
  while (!done) assert.match((await get(router.port)).body, /^(two|back)$/)
})
