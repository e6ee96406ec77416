import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { armed, asleep, fallAsleep, host, running, withProject } from '../../testing/sleep-lab.ts'
import { until } from '../../testing/until.ts'

describe('a server that dies', () => {
  test('leaves a sleeping project asleep, and the next one wakes it for those that wait already', () =>
    withProject(async (lab) => {
      await fallAsleep(lab)
      await lab.engine.close()
      const waiting = lab.router.waitFor('shop')
      lab.restart()
      await lab.engine.reconcile()
      assert.equal(await waiting, 'awake')
      assert.equal(await lab.visit(host), '200 v1')
    }))

  for (const [point, sleeps] of [
    ['sleep.written', false],
    ['sleep.quiet', false],
    ['sleep.committed', true],
    ['retire.drained', true],
  ] as const) {
    test(`at ${point} leaves it ${sleeps ? 'asleep' : 'awake'}, as it had been decided`, () =>
      withProject(async (lab) => {
        let died = false
        const end = await armed(lab, point, async () => {
          died = true
          await new Promise(() => {})
        })
        await lab.engine.reconcile()
        await lab.pass(0)
        await until('it dies', () => {
          void lab.pass(10)
          return died
        })
        end()
        lab.restart()
        await lab.engine.reconcile()
        assert.equal(asleep(lab), sleeps)
        if (sleeps) await until('nothing runs', async () => (await running(lab)).length === 0)
        else assert.equal(await lab.visit(host), '200 v1')
        if (sleeps) assert.equal(await lab.router.waitFor('shop'), 'awake')
        assert.equal(await lab.visit(host), '200 v1')
      }))
  }

  test('a lost runtime starts nothing of what sleeps', () =>
    withProject(async (lab) => {
      await fallAsleep(lab)
      lab.memory.lose()
      await lab.memory.connect()
      await lab.engine.mend()
      assert.deepEqual([asleep(lab), await running(lab)], [true, []])
    }))
})
