import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ada, revisionOf } from '../../testing/engine-lab.ts'
import {
  armed,
  asleep,
  current,
  fallAsleep,
  host,
  running,
  view,
  withProject,
} from '../../testing/sleep-lab.ts'
import { until } from '../../testing/until.ts'
import { Refusal } from '../domain/refusal.ts'

describe('a project that nobody asks for', () => {
  test('sleeps after its time, web and workers, and says since when', () =>
    withProject(async (lab) => {
      await lab.pass(9)
      assert.deepEqual(await running(lab), ['web.1', 'worker.1'])
      await lab.pass(1)
      await until('it sleeps', async () => {
        await lab.pass(0)
        return asleep(lab)
      })
      const rows = () => lab.store.instances.ofProject(current(lab).id)
      await until('all its processes have ended', () => rows().length === 0)
      assert.deepEqual(await running(lab), [])
      assert.deepEqual(lab.router.route(host)?.endpoints, [])
      const { project, instances } = await view(lab)
      assert.deepEqual([project.status, instances], ['running', []])
      assert.equal(project.asleepAt, '2026-03-01T12:10:00.000Z')
      assert.ok(lab.reports.some((line) => line.includes('shop sleeps: nobody has asked for it for 10 min')))
    }))

  test('is woken once by the first request, however many wait, and answers all of them', () =>
    withProject(async (lab) => {
      await fallAsleep(lab)
      let boots = 0
      lab.faults.start = async ({ type }) => void (type === 'web' && boots++)
      const waiting = Array.from({ length: 100 }, () => lab.router.waitFor('shop'))
      assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['awake']))
      assert.equal(await lab.visit(host), '200 v1')
      assert.equal(boots, 1)
      await until('its worker runs', async () => (await running(lab)).includes('worker.1'))
      const { project } = await view(lab)
      assert.deepEqual([project.asleepAt, project.currentRelease], [null, 1])
      await fallAsleep(lab)
    }))

  test('is kept awake by requests, by one that is open, and by a restart', () =>
    withProject(async (lab) => {
      await lab.pass(9)
      lab.router.count(host)
      await lab.pass(9)
      assert.equal(asleep(lab), false)
      const endpoint = lab.router.route(host)?.endpoints[0] ?? assert.fail('it has no route')
      const end = lab.router.begin(endpoint)
      await lab.pass(30)
      await lab.pass(30)
      assert.equal(asleep(lab), false)
      end()
      await lab.pass(0)
      await lab.pass(9)
      await lab.engine.processes.restart(current(lab), ada)
      await until('the old ones are gone', async () => (await running(lab)).length === 2)
      await lab.pass(9)
      assert.equal(asleep(lab), false)
      await fallAsleep(lab)
    }))

  test('is not put to sleep by a server that has only just started', () =>
    withProject(async (lab) => {
      await lab.pass(9)
      await lab.engine.close()
      lab.restart()
      await lab.engine.reconcile()
      await lab.pass(9)
      assert.equal(asleep(lab), false)
      await fallAsleep(lab)
    }))

  test('stays awake, and loses nothing, when somebody comes in the last moment', () =>
    withProject(async (lab) => {
      const endpoint = lab.router.route(host)?.endpoints[0] ?? assert.fail('it has no route')
      let end = () => {}
      let came = false
      await armed(lab, 'sleep.written', async () => {
        end = lab.router.begin(endpoint)
        came = true
      })
      await lab.engine.reconcile()
      await fallAsleep(lab, () => came)
      assert.equal(asleep(lab), false)
      assert.deepEqual([current(lab).asleepAt, await running(lab)], [null, ['web.1', 'worker.1']])
      assert.equal(await lab.visit(host), '200 v1')
      end()
      await fallAsleep(lab)
    }))

  test('that was asked for while it fell asleep is woken again', () =>
    withProject(async (lab) => {
      let waiting: Promise<string> | undefined
      await armed(lab, 'sleep.quiet', async () => {
        waiting = lab.router.waitFor('shop')
      })
      await lab.engine.reconcile()
      await fallAsleep(lab, () => waiting !== undefined)
      assert.equal(await waiting, 'awake')
      assert.equal(await lab.visit(host), '200 v1')
    }))

  test('is woken while what ran before it slept still takes its time to end', () =>
    withProject(async (lab) => {
      let end = () => {}
      const ended = new Promise<void>((resolve) => {
        end = resolve
      })
      await armed(lab, 'sleep.committed', () => ended)
      await lab.engine.reconcile()
      await fallAsleep(lab, () => asleep(lab))
      assert.deepEqual(await running(lab), ['web.1', 'worker.1'])
      assert.equal(await lab.router.waitFor('shop'), 'awake')
      assert.equal(await lab.visit(host), '200 v1')
      end()
      await until('one of each runs', async () => String(await running(lab)) === 'web.1,worker.1')
    }))

  test('is woken when the process manager is back that was away, and nobody calls that a fault of the app', () =>
    withProject(
      async (lab) => {
        let away = true
        // of one that may not run twice, what ran before has to end first
        await armed(lab, 'sleep.committed', async () => void (await until('it is back', () => !away)))
        await lab.engine.reconcile()
        await fallAsleep(lab, () => asleep(lab))
        let refused = 0
        lab.faults.stop = async () => {
          if (refused++ < 2) throw new Refusal('unavailable', 'the process manager is not connected')
        }
        assert.equal(await lab.router.waitFor('shop'), 'awake')
        away = false
        assert.ok(refused > 2)
        const { project } = await view(lab)
        assert.deepEqual([project.wakeProblem, await lab.visit(host)], [null, '200 v1'])
      },
      { settings: { overlap: false } },
    ))

  test('runs on without the setting', () =>
    withProject(
      async (lab) => {
        await lab.pass(1_000)
        assert.equal(asleep(lab), false)
        assert.deepEqual(await running(lab), ['web.1', 'worker.1'])
      },
      { settings: { sleepAfterMinutes: null } },
    ))
})

describe('a project that cannot be woken', () => {
  test('says so to those that wait and to its owner, and is tried again, but not at once', () =>
    withProject(async (lab) => {
      await fallAsleep(lab)
      let boots = 0
      lab.faults.app = () => {
        boots++
        return { does: 'crash', code: 1, says: ['Error: no database'] }
      }
      const answers = await Promise.all([lab.router.waitFor('shop'), lab.router.waitFor('shop')])
      const said = 'It was asleep, and the app did not start. Its owner can see why.'
      assert.deepEqual(answers, [said, said])
      const { project, instances } = await view(lab)
      assert.deepEqual([project.status, instances, asleep(lab)], ['error', [], true])
      assert.match(project.wakeProblem ?? '', /exited with code 1/)
      assert.deepEqual(lab.store.instances.ofProject(project.id), [])
      const before = boots
      assert.equal(await lab.router.waitFor('shop'), said)
      assert.equal(boots, before, 'within a second nothing is started again')
      delete lab.faults.app
      await lab.pass(1)
      assert.equal(await lab.router.waitFor('shop'), 'awake')
      assert.equal((await view(lab)).project.wakeProblem, null)
    }))

  test('is tried as at first when it was started meanwhile', () =>
    withProject(async (lab) => {
      const crash = () => ({ does: 'crash', code: 1, says: [] }) as const
      await fallAsleep(lab)
      for (let tries = 0; tries < 4; tries++) {
        lab.faults.app = crash
        assert.notEqual(await lab.router.waitFor('shop'), 'awake')
        await lab.pass(tries)
      }
      delete lab.faults.app
      await lab.engine.processes.start(current(lab), ada)
      await fallAsleep(lab)
      lab.faults.app = crash
      assert.notEqual(await lab.router.waitFor('shop'), 'awake')
      delete lab.faults.app
      await lab.pass(0.02)
      assert.equal(await lab.router.waitFor('shop'), 'awake')
    }))
})

describe('what is done to a sleeping project', () => {
  test('start wakes it, and so does a restart of one type', () =>
    withProject(async (lab) => {
      for (const wake of [
        () => lab.engine.processes.start(current(lab), ada),
        () => lab.engine.processes.restart(current(lab), ada, 'worker'),
      ]) {
        await fallAsleep(lab)
        const waiting = lab.router.waitFor('shop')
        await wake()
        assert.equal(await waiting, 'awake')
        assert.equal(await lab.visit(host), '200 v1')
        await until('its worker runs', async () => (await running(lab)).includes('worker.1'))
        await lab.pass(0)
      }
    }))

  test('stop stops it, and nothing wakes it any more', () =>
    withProject(async (lab) => {
      await fallAsleep(lab)
      await lab.engine.processes.stop(current(lab), ada)
      assert.equal(lab.router.route(host)?.state, 'stopped')
      const { project } = await view(lab)
      assert.deepEqual([project.status, project.asleepAt], ['stopped', null])
      await lab.engine.processes.start(project, ada)
      assert.equal(await lab.visit(host), '200 v1')
    }))

  test('another number of processes is there when it wakes', () =>
    withProject(async (lab) => {
      await fallAsleep(lab)
      await lab.engine.processes.scale(current(lab), { web: 2, worker: 0 }, ada)
      assert.deepEqual([asleep(lab), await running(lab)], [true, []])
      assert.equal(await lab.router.waitFor('shop'), 'awake')
      assert.deepEqual(await running(lab), ['web.1', 'web.2'])
    }))

  test('a deployment wakes it; while it builds, a request is answered by the version before', () =>
    withProject(async (lab) => {
      await fallAsleep(lab)
      let waiting: Promise<string> | undefined
      lab.faults.install = async () => {
        waiting = lab.router.waitFor('shop')
        assert.equal(await waiting, 'awake')
        assert.equal(await lab.visit(host), '200 v1')
      }
      await lab.deploy(current(lab), lab.commit(revisionOf('b')))
      assert.equal(await waiting, 'awake')
      assert.equal(await lab.visit(host), '200 v2')
      await until('only v2 runs', async () => (await lab.memory.list()).every(({ release }) => release === 2))
    }))

  test('two versions of one that may not run twice never meet, woken while the new one is built', () =>
    withProject(
      async (lab) => {
        await fallAsleep(lab)
        let waiting: Promise<string> | undefined
        lab.faults.install = async () => {
          waiting = lab.router.waitFor('shop')
          // its boot is under way when the new version wants to start
          await until('it starts', async () => (await running(lab)).includes('web.1'))
        }
        let met: readonly number[] = []
        lab.faults.start = async ({ type, release }) => {
          if (type !== 'web' || release !== 2) return
          const others = (await lab.memory.list()).filter((one) => one.type === 'web')
          met = others.map((one) => one.release)
        }
        await lab.deploy(current(lab), lab.commit(revisionOf('b')))
        assert.equal(await waiting, 'awake')
        assert.deepEqual(met, [])
        assert.deepEqual([await lab.visit(host), lab.router.held('shop')], ['200 v2', 'none'])
      },
      { settings: { overlap: false } },
    ))

  test('a failed deployment leaves it asleep, and it can be woken', () =>
    withProject(async (lab) => {
      await fallAsleep(lab)
      lab.faults.install = () => Promise.reject(new Error('no'))
      await assert.rejects(lab.deploy(current(lab), lab.commit(revisionOf('b'))))
      assert.equal(asleep(lab), true)
      assert.equal(await lab.router.waitFor('shop'), 'awake')
      assert.equal(await lab.visit(host), '200 v1')
    }))

  test('its deletion answers those that wait', () =>
    withProject(async (lab) => {
      await fallAsleep(lab)
      lab.faults.app = () => ({ does: 'stay silent' })
      const waiting = lab.router.waitFor('shop')
      lab.faults.app = () => ({ does: 'answer' })
      await lab.engine.projects.remove(current(lab), ada)
      await waiting
      assert.equal(await lab.visit(host), 'nothing (no route)')
      assert.deepEqual(await running(lab), [])
    }))
})
