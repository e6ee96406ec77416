import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkHealth } from './health.ts'

test('a part that does not answer is not well after five seconds, and keeps nobody from the others', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const asked = checkHealth({
    database: () => true,
    runtime: { list: () => new Promise(() => {}) },
    router: { check: async () => {} },
    directory: '/',
  })
  await new Promise(setImmediate)
  t.mock.timers.tick(5_000)
  const { database, runtime, router } = await asked
  assert.deepEqual({ database, runtime, router }, { database: true, runtime: false, router: true })
})
