import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { createSlots } from './slots.ts'

const never = new AbortController().signal

function taking(limit: number) {
  const slots = createSlots(limit)
  const began: string[] = []
  const leave = new Map<string, () => void>()
  const ask = (name: string, projectId: number, signal = never) =>
    slots.take(projectId, signal).then((back) => {
      began.push(name)
      leave.set(name, back)
    })
  return { began, ask, leave: (name: string) => leave.get(name)?.() }
}

test('no more than the limit at once, in the order of asking', async () => {
  const { began, ask, leave } = taking(2)
  for (const id of [1, 2, 3, 4]) void ask(`p${id}`, id)
  await tick()
  assert.deepEqual(began, ['p1', 'p2'])
  leave('p2')
  leave('p2')
  await tick()
  assert.deepEqual(began, ['p1', 'p2', 'p3'], 'one place was given back, once')
})

test('one project has half of the places, however much it asks for', async () => {
  const { began, ask } = taking(4)
  for (const name of ['a', 'b', 'c', 'd']) void ask(name, 1)
  void ask('other', 2)
  await tick()
  assert.deepEqual(began, ['a', 'b', 'other'])
})

test('who leaves the queue takes no place', async () => {
  const { began, ask, leave } = taking(1)
  const gone = new AbortController()
  await ask('a', 1)
  const waiting = assert.rejects(ask('b', 1, gone.signal), /gone/)
  void ask('c', 1)
  gone.abort(new Error('gone'))
  await waiting
  leave('a')
  await tick()
  assert.deepEqual(began, ['a', 'c'])
  await assert.rejects(ask('d', 2, gone.signal), /gone/)
})
