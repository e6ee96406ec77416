import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ada, appFiles, createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'
import { until } from '../../testing/until.ts'
import { isRefusal } from '../domain/refusal.ts'
import type { ProjectRow } from '../store/projects.ts'
import { DeploymentFailed } from './deployment-failed.ts'

/** Process types, how many of each, and how workers are turned over. */

const procfile = 'web: node server.js\nworker: node work.js\n'
const by = { who: ada }

async function withProcfile(
  text: string,
  work: (lab: Lab, fresh: () => ProjectRow) => Promise<void>,
): Promise<void> {
  const lab = await createLab()
  try {
    lab.faults.app = ({ type }) => ({ does: type === 'web' ? 'answer' : 'stay silent' })
    await lab.deploy(await lab.project(), commit(lab, 'a', text))
    await lab.settled()
    await work(lab, () => lab.engine.projects.get('shop'))
  } finally {
    await lab.close()
  }
}

const commit = (lab: Lab, letter: string, text: string) =>
  lab.commit(revisionOf(letter), [...appFiles(letter), { path: 'Procfile', data: text }])

/** `web.1 v1`, what runs. */
const running = async (lab: Lab) =>
  (await lab.memory.list()).map(({ name, release }) => `${name} v${release}`).sort()

const ports = (lab: Lab) => lab.router.route('shop.localhost')?.endpoints.length ?? 0

/** What happens to workers, in order: `+v1` started, `-v1` asked to end, `.v1` ended. */
function watchWorkers(lab: Lab): string[] {
  const seen: string[] = []
  lab.faults.start = async ({ type, release }) => {
    if (type !== 'web') seen.push(`+v${release}`)
  }
  lab.faults.stop = async ({ type, release }) => {
    if (type !== 'web') seen.push(`-v${release}`)
  }
  lab.memory.onExit(({ type, release }) => {
    if (type !== 'web') seen.push(`.v${release}`)
  })
  return seen
}

test('every type of the Procfile runs once, and the project says how many are wanted', async () => {
  await withProcfile(`${procfile}clock: node tick.js\n`, async (lab, fresh) => {
    assert.deepEqual(await running(lab), ['clock.1 v1', 'web.1 v1', 'worker.1 v1'])
    const { processes, instances } = await lab.engine.projects.show(fresh())
    assert.deepEqual(processes, { web: 1, worker: 1, clock: 1 })
    assert.deepEqual(instances.map(({ name }) => name).sort(), ['clock.1', 'web.1', 'worker.1'])
    const [worker] = (await lab.memory.list()).filter(({ type }) => type === 'worker')
    assert.ok(worker)
    const env = lab.memory.specOf(worker, 1)?.env
    assert.deepEqual([env?.NODEPILOT_INSTANCE, env?.PORT], ['worker.1', undefined])
  })
})

test('a worker of a new release starts only when the old one has ended', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    const seen = watchWorkers(lab)
    await lab.deploy(fresh(), commit(lab, 'b', procfile))
    await lab.settled()
    assert.deepEqual(seen, ['-v1', '.v1', '+v2'])
    seen.length = 0
    await lab.engine.processes.restart(fresh(), ada)
    await lab.settled()
    assert.deepEqual(seen, ['-v2', '.v2', '+v2'])
    await lab.engine.releases.rollback(fresh(), { release: 1 }, by)
    await lab.settled()
    assert.deepEqual(await running(lab), ['web.1 v3', 'worker.1 v3'])
  })
})

test('the old worker works on until the new release is live, and through one that fails', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    const seen = watchWorkers(lab)
    const proven = await lab.prove(fresh(), commit(lab, 'b', procfile))
    assert.deepEqual(seen, [])
    assert.deepEqual(await running(lab), ['web.1 v1', 'web.1 v2', 'worker.1 v1'])
    await proven.goLive()
    await lab.settled()
    lab.faults.app = () => ({ does: 'crash', code: 1, says: [] })
    await assert.rejects(lab.deploy(fresh(), commit(lab, 'c', procfile)), DeploymentFailed)
    assert.deepEqual(await running(lab), ['web.1 v2', 'worker.1 v2'])
  })
})

test('a worker that ends again and again is no failed deployment, and the project says what is wrong', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    const [worker] = (await lab.memory.list()).filter(({ type }) => type === 'worker')
    assert.ok(worker)
    const view = () => lab.engine.projects.show(fresh())
    const problem = async () => (await view()).instances.find(({ type }) => type === 'worker')?.problem
    await lab.memory.crash(worker, 1, { code: 3 })
    assert.deepEqual([(await view()).project.status, await problem()], ['running', null])
    await lab.memory.crash(worker, 1, { code: 3 })
    assert.equal((await view()).project.status, 'error')
    assert.equal(await problem(), 'it exited with code 3 and was started again 2 times')
    assert.equal((await lab.engine.projects.list())[0]?.project.status, 'error')
    assert.equal(lab.store.deployments.list(fresh().id)[0]?.status, 'live')
  })
})

test('a worker that cannot be ended at first is tried again, and then the new one starts', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    let refused = 0
    lab.faults.stop = async ({ type }) => {
      if (type === 'web' || refused++ > 0) return
      throw new Error('the process manager is busy')
    }
    await lab.deploy(fresh(), commit(lab, 'b', procfile))
    await until('only v2 runs', async () => String(await running(lab)) === 'web.1 v2,worker.1 v2')
    assert.match(lab.reports.join('\n'), /the process manager is busy/)
  })
})

test('what was stopped or scaled is written down and carried on, though its end fails at first', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    const failOnce = () => {
      let refused = 0
      lab.faults.stop = async () => {
        if (refused++ === 0) throw new Error('the process manager is busy')
      }
    }
    const last = () => lab.engine.audit.list({ limit: 1 })[0]?.action
    failOnce()
    await lab.engine.processes.scale(fresh(), { worker: 0 }, ada)
    assert.equal(last(), 'process.scale')
    await until('no worker', async () => !(await running(lab)).includes('worker.1 v1') || undefined)
    failOnce()
    await lab.engine.processes.stop(fresh(), ada)
    assert.equal(last(), 'process.stop')
    await until('nothing runs', async () => (await running(lab)).length === 0 || undefined)
  })
})

test('with overlapWorkers the new worker does not wait for the old one', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    await lab.engine.projects.change(fresh(), { overlapWorkers: true }, ada)
    const seen = watchWorkers(lab)
    await lab.deploy(fresh(), commit(lab, 'b', procfile))
    await lab.settled()
    assert.deepEqual(seen, ['+v2', '-v1', '.v1'])
  })
})

test('a release that went live while workers were turned over has the last word', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    const seen = watchWorkers(lab)
    for (const letter of ['b', 'c', 'd']) await lab.deploy(fresh(), commit(lab, letter, procfile))
    await lab.settled()
    assert.deepEqual(await running(lab), ['web.1 v4', 'worker.1 v4'])
    const alive = new Set(['1'])
    for (const step of seen) {
      const release = step.slice(2)
      if (step.startsWith('.')) alive.delete(release)
      if (step.startsWith('+')) alive.add(release)
      assert.ok(alive.size <= 1, seen.join(' '))
    }
  })
})

test('a type that is not in the Procfile any more ends', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    await lab.engine.processes.scale(fresh(), { worker: 3 }, ada)
    await lab.deploy(fresh(), commit(lab, 'b', 'web: node server.js\n'))
    await lab.settled()
    assert.deepEqual(await running(lab), ['web.1 v2'])
    assert.deepEqual((await lab.engine.projects.show(fresh())).processes, { web: 1 })
    await lab.deploy(fresh(), commit(lab, 'c', procfile))
    await lab.settled()
    assert.equal((await running(lab)).length, 4, 'its number was remembered')
  })
})

test('scaling starts what is lacking, leaves what runs, and ends the highest ones', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    const [before] = (await lab.memory.list()).filter(({ type }) => type === 'web')
    await lab.engine.processes.scale(fresh(), { web: 3, worker: 2 }, ada)
    assert.deepEqual(await running(lab), ['web.1 v1', 'web.2 v1', 'web.3 v1', 'worker.1 v1', 'worker.2 v1'])
    assert.equal(ports(lab), 3)
    const rows = lab.store.instances.ofProject(fresh().id, 'serving')
    assert.equal(new Set(rows.flatMap(({ port }) => port ?? [])).size, 3)
    await lab.engine.processes.scale(fresh(), { web: 1 }, ada)
    assert.deepEqual(await running(lab), ['web.1 v1', 'worker.1 v1', 'worker.2 v1'])
    assert.deepEqual(
      (await lab.memory.list()).filter(({ type }) => type === 'web'),
      before ? [before] : [],
    )
    await lab.engine.processes.scale(fresh(), { web: 2 }, ada)
    assert.equal(ports(lab), 2)
  })
})

test('numbers stay over deployments, restarts, rollbacks, stop and start', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    await lab.engine.processes.scale(fresh(), { web: 2, worker: 0 }, ada)
    await lab.deploy(fresh(), commit(lab, 'b', procfile))
    await lab.settled()
    assert.deepEqual(await running(lab), ['web.1 v2', 'web.2 v2'])
    await lab.engine.processes.restart(fresh(), ada)
    await lab.engine.processes.stop(fresh(), ada)
    assert.deepEqual(await running(lab), [])
    await lab.engine.processes.scale(fresh(), { worker: 1 }, ada)
    assert.deepEqual(await running(lab), [], 'a stopped project only remembers')
    await lab.engine.processes.start(fresh(), ada)
    await lab.settled()
    assert.deepEqual(await running(lab), ['web.1 v2', 'web.2 v2', 'worker.1 v2'])
    await lab.engine.releases.rollback(fresh(), { release: 1 }, by)
    await lab.settled()
    assert.deepEqual(await running(lab), ['web.1 v3', 'web.2 v3', 'worker.1 v3'])
  })
})

test('a project may have no web process at all, also when it is deployed', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    await lab.engine.processes.scale(fresh(), { web: 0 }, ada)
    assert.deepEqual(await running(lab), ['worker.1 v1'])
    assert.equal(await lab.visit('shop.localhost'), 'nothing (running)')
    const deployment = await lab.deploy(fresh(), commit(lab, 'b', procfile))
    await lab.settled()
    assert.deepEqual(
      deployment.steps.slice(-2).map(({ status }) => status),
      ['skipped', 'skipped'],
    )
    assert.deepEqual(await running(lab), ['worker.1 v2'])
    await lab.engine.processes.scale(fresh(), { web: 2 }, ada)
    assert.equal(ports(lab), 2)
  })
})

test('a scale that fails changes nothing', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    const before = await lab.memory.list()
    lab.faults.app = ({ instances }) =>
      instances.some(({ index }) => index === 3)
        ? { does: 'crash', code: 1, says: ['no more'] }
        : { does: 'answer' }
    await assert.rejects(lab.engine.processes.scale(fresh(), { web: 3, worker: 2 }, ada), (error) =>
      isRefusal(error, 'boot_crashed'),
    )
    assert.deepEqual(await lab.memory.list(), before)
    assert.equal(lab.store.instances.ofProject(fresh().id).length, 2)
    assert.deepEqual((await lab.engine.projects.show(fresh())).processes, { web: 1, worker: 1 })
  })
})

test('a type that there is not, and a number that is none, are refused with what there is', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    const scale = (counts: Record<string, number>) => lab.engine.processes.scale(fresh(), counts, ada)
    for (const counts of [{ wrk: 1 }, { web: -1 }, { web: 51 }, { web: 1.5 }, { constructor: 1 }]) {
      await assert.rejects(scale(counts as Record<string, number>), (error) => {
        assert.ok(isRefusal(error, 'invalid'))
        assert.equal(error.fields.length, 1)
        assert.match(error.hint ?? '', /web, worker/)
        return true
      })
    }
    const empty = await lab.project('empty')
    await assert.rejects(lab.engine.processes.scale(empty, { web: 2 }, ada), (error) =>
      isRefusal(error, 'conflict'),
    )
  })
})

test('all instances of a deployment have to be healthy', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    await lab.engine.processes.scale(fresh(), { web: 6 }, ada)
    lab.faults.app = ({ type, instances }) => {
      const sick = type === 'web' && instances.some(({ index }) => index === 5)
      const answer = {
        does: 'answer',
        with: (_: unknown, response: { writeHead(s: number): { end(): void } }) =>
          response.writeHead(500).end(),
      } as const
      return sick ? answer : { does: type === 'web' ? 'answer' : 'stay silent' }
    }
    lab.store.projects.update(fresh().id, { bootTimeoutMs: 300 })
    await assert.rejects(lab.deploy(fresh(), commit(lab, 'b', procfile)), (error) => {
      assert.ok(error instanceof DeploymentFailed)
      assert.equal(error.refusal.code, 'health_failed')
      return true
    })
    assert.equal((await running(lab)).length, 7)
    assert.ok((await running(lab)).every((name) => name.endsWith('v1')))
  })
})

test('the release phase runs before anything starts; its failure leaves nothing behind', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    const lines: string[] = []
    const output = (line: string) => void lines.push(line)
    const release = 'release: echo "migrating $NODEPILOT_INSTANCE of $NODEPILOT_RELEASE" && echo in $PWD\n'
    const deployment = await lab.deploy(fresh(), commit(lab, 'b', procfile + release), { output })
    assert.deepEqual(
      deployment.steps.map(({ name }) => name),
      ['Receive', 'Install', 'Build', 'Release', 'Start', 'Health'],
    )
    assert.ok(lines.some((line) => line.includes('migrating release.1 of v2')))
    assert.ok(lines.some((line) => line.includes(`in ${lab.paths.release('shop', 2)}`)))
    await lab.settled()
    const before = await running(lab)
    await assert.rejects(
      lab.deploy(fresh(), commit(lab, 'c', `${procfile}release: echo no; exit 4\n`)),
      (error) => {
        assert.ok(error instanceof DeploymentFailed)
        assert.equal(error.refusal.code, 'release_failed')
        assert.match(error.refusal.message, /exited with code 4/)
        return true
      },
    )
    assert.deepEqual(await running(lab), before)
    assert.deepEqual(await lab.releasesOnDisk('shop'), ['1', '2'])
  })
})

test('Ctrl-C during the release phase ends it and leaves nothing', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    const cancel = new AbortController()
    const output = (line: string) => {
      if (line.includes('under way')) cancel.abort()
    }
    const slow = commit(lab, 'b', `${procfile}release: echo under way; sleep 600\n`)
    await assert.rejects(lab.deploy(fresh(), slow, { output, signal: cancel.signal }), (error) => {
      assert.ok(error instanceof DeploymentFailed)
      assert.equal(error.refusal.code, 'cancelled')
      return true
    })
    assert.deepEqual(await running(lab), ['web.1 v1', 'worker.1 v1'])
    assert.deepEqual(await lab.releasesOnDisk('shop'), ['1'])
  })
})

test('a server that died in the middle of a scale leaves what served, and ends what was on its way', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    const { id, name } = fresh()
    const [web] = lab.store.instances.ofProject(id, 'serving').filter(({ type }) => type === 'web')
    assert.ok(web)
    lab.store.instances.create({ ...web, position: 2, port: null, state: 'candidate' })
    const ref = { project: name, type: 'web', release: web.release, generation: web.generation }
    const spec = { index: 2, port: null, env: {} }
    const group = { ...ref, cwd: '/', command: 'x', instances: [spec], logDirectory: '/nowhere', graceMs: 1 }
    await lab.memory.start(group)
    await lab.memory.start({ ...group, instances: [{ ...spec, index: 9 }] })
    const before = (await lab.memory.list()).find((instance) => instance.name === 'web.1')
    await lab.restart().reconcile()
    await lab.settled()
    assert.deepEqual(await running(lab), ['web.1 v1', 'worker.1 v1'])
    assert.equal((await lab.memory.list()).find((one) => one.name === 'web.1')?.pid, before?.pid)
  })
})

test('a server that died between two workers ends the old one before it starts the new one', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    const { id } = fresh()
    const seen = watchWorkers(lab)
    lab.store.instances.retireType(id, 'worker')
    const generation = lab.store.settings.next('generation')
    lab.store.instances.create({
      projectId: id,
      release: 1,
      slug: 1,
      type: 'worker',
      position: 1,
      generation,
      port: null,
      state: 'serving',
    })
    await lab.restart().reconcile()
    await lab.settled()
    assert.deepEqual(seen, ['-v1', '.v1', '+v1'])
    assert.deepEqual(await running(lab), ['web.1 v1', 'worker.1 v1'])
  })
})

test('deleting a project while workers are turned over leaves none of them', async () => {
  await withProcfile(procfile, async (lab, fresh) => {
    await lab.deploy(fresh(), commit(lab, 'b', procfile))
    await lab.engine.projects.remove(fresh(), ada)
    await lab.settled()
    await until('nothing runs', async () => (await lab.memory.list()).length === 0)
    assert.deepEqual(lab.store.instances.list(), [])
  })
})
