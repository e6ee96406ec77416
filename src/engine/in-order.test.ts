import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createOrder } from './in-order.ts'

test('tasks of one key run one after the other, also after one failed', async () => {
  const inOrder = createOrder()
  const steps: string[] = []
  const task =
    (name: string, fails = false) =>
    async () => {
      steps.push(`${name} begins`)
      await new Promise((resolve) => setImmediate(resolve))
      steps.push(`${name} ends`)
      if (fails) throw new Error(name)
      return name
    }
  const results = await Promise.allSettled([inOrder('a', task('one', true)), inOrder('a', task('two'))])
  assert.deepEqual(
    results.map((result) => result.status),
    ['rejected', 'fulfilled'],
  )
  assert.deepEqual(steps, ['one begins', 'one ends', 'two begins', 'two ends'])
})

test('another key does not wait', async () => {
  const inOrder = createOrder()
  let release = () => {}
  const blocked = inOrder('a', () => new Promise<void>((resolve) => (release = resolve)))
  assert.equal(await inOrder('b', async () => 'free'), 'free')
  release()
  await blocked
})
