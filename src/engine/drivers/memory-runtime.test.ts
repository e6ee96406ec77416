import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GroupSpec } from '../ports.ts'
import { createMemoryRuntime } from './memory-runtime.ts'
import { runtimeSuite } from './runtime.suite.ts'

runtimeSuite('in memory', async () => {
  const runtime = createMemoryRuntime({ now: () => 1_700_000_000_000 })
  return {
    runtime,
    group,
    kill: (ref, index) => runtime.crash(ref, index, { signal: 'SIGKILL' }),
    close: () => runtime.shutdown(),
  }
})

test('a group whose second instance cannot start leaves none behind', async () => {
  const runtime = createMemoryRuntime({
    now: () => 0,
    launch: async (_group, spec) => {
      if (spec.index === 2) throw new Error('no room')
      return {}
    },
  })
  await runtime.connect()
  const [first] = group('shop').instances
  assert.ok(first)
  await assert.rejects(
    runtime.start({ ...group('shop'), instances: [first, { ...first, index: 2 }] }),
    /no room/,
  )
  assert.deepEqual(await runtime.list(), [])
})

test('a lost daemon leaves orphans, which are ended once', async () => {
  let stopped = 0
  const runtime = createMemoryRuntime({
    now: () => 0,
    launch: async () => ({
      stop: async () => {
        stopped++
      },
    }),
  })
  let lost = 0
  runtime.onLost(() => lost++)
  await runtime.connect()
  await runtime.start(group('shop'))
  runtime.lose()
  assert.equal(lost, 1)
  await runtime.connect()
  assert.deepEqual(await runtime.list(), [])
  assert.equal(await runtime.endOrphans(), 1)
  assert.equal(await runtime.endOrphans(), 0)
  assert.equal(stopped, 1)
})

function group(project: string, overrides: Partial<GroupSpec> = {}): GroupSpec {
  return {
    project,
    type: 'web',
    release: 1,
    generation: 1,
    cwd: '/',
    command: 'true',
    instances: [{ index: 1, port: null, env: {} }],
    logDirectory: '/nowhere',
    graceMs: 1_000,
    ...overrides,
  }
}
