import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryRuntime } from '../drivers/memory-runtime.ts'
import type { GroupSpec } from '../ports.ts'
import { watchRuntime } from './watched-runtime.ts'

const group: GroupSpec = {
  project: 'shop',
  type: 'web',
  release: 1,
  generation: 1,
  cwd: '/',
  command: 'true',
  instances: [{ index: 1, port: null, env: {} }],
  logDirectory: '/',
  graceMs: 0,
}

test('readers share one look until something changes', async () => {
  const { watch, asked } = await watched()
  await Promise.all([watch.look(), watch.look()])
  await watch.look()
  assert.equal(asked(), 1)
  await watch.runtime.start(group)
  assert.equal((await watch.look()).find({ ...group, index: 1 })?.status, 'online')
  await watch.runtime.stop(group, 0)
  assert.equal((await watch.look()).find({ ...group, index: 1 }), undefined)
  await watch.look()
  assert.equal(asked(), 3)
})

test('a look that began before a change is not shown to those who ask after it', async () => {
  const { watch, hold } = await watched()
  const release = hold()
  const early = watch.look()
  await watch.runtime.start(group)
  const late = watch.look()
  release()
  await early
  assert.ok((await late).find({ ...group, index: 1 }))
  assert.ok((await watch.look()).find({ ...group, index: 1 }))
})

test('the revision names what was seen last, and is no name once that is out of date', async () => {
  const { watch, clock } = await watched()
  await watch.look()
  const first = watch.revision()
  assert.equal(watch.revision(), first)
  clock.now += 10_000
  assert.ok(watch.revision() < 0)
  await watch.look()
  const second = watch.revision()
  assert.notEqual(second, first)
  await watch.runtime.start(group)
  const third = watch.revision()
  assert.ok(third < 0)
  assert.notEqual(watch.revision(), third)
})

test('a clock that is set back does not make an old look a fresh one', async () => {
  const { watch, asked, clock } = await watched()
  await watch.look()
  const before = watch.revision()
  clock.now -= 3_600_000
  assert.notEqual(watch.revision(), before)
  await watch.look()
  await watch.look(0)
  assert.equal(asked(), 3)
})

test('after an exit the next look is a new one, and looks stay short-lived until it is up again', async () => {
  const { watch, memory, asked, clock } = await watched()
  await watch.runtime.start(group)
  await watch.look()
  await memory.crash(group, 1, { code: 1 })
  assert.equal((await watch.look()).find({ ...group, index: 1 })?.restarts, 1)
  const before = asked()
  clock.now += 200
  await watch.look()
  assert.equal(asked(), before + 1)
  clock.now += 5_000
  await watch.look()
  clock.now += 200
  await watch.look()
  assert.equal(asked(), before + 2)
})

test('a runtime that is away is reported once for many readers, and shows as unknown', async () => {
  const { watch, memory, reports, clock } = await watched()
  memory.lose()
  const sights = await Promise.all([watch.look(), watch.look()])
  assert.deepEqual(
    sights.map(({ instances }) => instances),
    [null, null],
  )
  await watch.look()
  assert.equal(reports.length, 1)
  await memory.connect()
  clock.now += 600
  assert.deepEqual((await watch.look()).instances, [])
})

async function watched() {
  const clock = { now: 1_000_000 }
  const memory = createMemoryRuntime({ now: () => clock.now })
  await memory.connect()
  const reports: string[] = []
  let asked = 0
  let held: Promise<void> = Promise.resolve()
  const watch = watchRuntime(
    {
      ...memory,
      async stats() {
        asked++
        const found = memory.stats()
        await held
        return found
      },
      forget: async () => {},
    },
    { clock: () => clock.now, report: { info: () => {}, error: (line) => void reports.push(line) } },
  )
  const hold = () => {
    let release = () => {}
    held = new Promise((resolve) => {
      release = resolve
    })
    return () => {
      held = Promise.resolve()
      release()
    }
  }
  return { watch, memory, clock, reports, asked: () => asked, hold }
}
