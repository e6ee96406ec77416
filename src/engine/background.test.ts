import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBackground } from './background.ts'

const quiet = { info() {}, error() {} }

test('what goes on in the background is awaited at the end, also what it started itself', async () => {
  const background = createBackground(quiet)
  const done: string[] = []
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  background.run('first', async () => {
    await turn()
    background.run('second', async () => {
      await turn()
      done.push('second')
    })
    done.push('first')
  })
  await background.settled()
  assert.deepEqual(done, ['first', 'second'])
  await background.settled()
})

test('a failure is reported by name and hurts nobody', async () => {
  const reports: unknown[] = []
  const background = createBackground({ ...quiet, error: (message, error) => reports.push([message, error]) })
  const why = new Error('no')
  background.run('pruning shop', () => Promise.reject(why))
  await background.settled()
  assert.deepEqual(reports, [['pruning shop failed', why]])
})
