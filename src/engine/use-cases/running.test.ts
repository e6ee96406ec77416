import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { zip } from '../../testing/archives.ts'
import { ada, createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'
import { isRefusal, Refusal } from '../domain/refusal.ts'
import type { ProjectRow } from '../store/projects.ts'
import { DeploymentFailed } from './deployment-failed.ts'

/** What is done with a project that runs: start, stop, restart, rollback, config vars, redeploy, uploads. */

const by = { who: ada }
const coded = (code: Parameters<typeof isRefusal>[1]) => (error: unknown) => isRefusal(error, code)
const failed = (code: string) => (error: unknown) =>
  error instanceof DeploymentFailed && error.refusal.code === code

/** A project with this many releases, all of commits; `fresh` gives its row as it is now. */
async function withReleases(
  count: number,
  work: (lab: Lab, fresh: () => ProjectRow) => Promise<void>,
): Promise<void> {
  const lab = await createLab()
  try {
    const project = await lab.project()
    for (let i = 0; i < count; i++) {
      await lab.deploy(project, lab.commit(revisionOf('abcdef'[i] ?? 'f')))
    }
    await lab.settled()
    await work(lab, () => lab.engine.projects.get('shop'))
  } finally {
    await lab.close()
  }
}

const releasesRunning = async (lab: Lab) => (await lab.memory.list()).map(({ release }) => release)

test('a stopped project answers 503 and runs nothing; started, it serves the same release', async () => {
  await withReleases(1, async (lab, fresh) => {
    await lab.engine.processes.stop(fresh(), ada)
    assert.equal(await lab.visit('shop.localhost'), 'nothing (stopped)')
    assert.deepEqual(await lab.memory.list(), [])
    assert.deepEqual(lab.store.instances.list(), [])
    await lab.engine.processes.stop(fresh(), ada)
    await lab.engine.processes.start(fresh(), ada)
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
    assert.equal(lab.store.deployments.list(fresh().id).length, 1, 'no deployment')
  })
})

test('starting what runs changes nothing; without a release it is refused', async () => {
  await withReleases(1, async (lab, fresh) => {
    const before = await lab.memory.list()
    await lab.engine.processes.start(fresh(), ada)
    assert.deepEqual(await lab.memory.list(), before)
    const empty = await lab.project('empty')
    await assert.rejects(lab.engine.processes.start(empty, ada), coded('conflict'))
    await assert.rejects(lab.engine.processes.restart(empty, ada), coded('conflict'))
  })
})

test('a restart is a new process of the same release, proved before the old one ends', async () => {
  await withReleases(1, async (lab, fresh) => {
    const [old] = await lab.memory.list()
    await lab.engine.processes.restart(fresh(), ada)
    await lab.settled()
    const [now, ...others] = await lab.memory.list()
    assert.deepEqual([now?.release, others.length], [1, 0])
    assert.ok(now && old && now.generation > old.generation)
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
  })
})

test('a restart that fails leaves the running process serving', async () => {
  await withReleases(1, async (lab, fresh) => {
    const before = await lab.memory.list()
    lab.faults.app = () => ({ does: 'crash', code: 1, says: ['no'] })
    await assert.rejects(lab.engine.processes.restart(fresh(), ada), coded('boot_crashed'))
    assert.deepEqual(await lab.memory.list(), before)
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
    assert.equal(lab.store.instances.list().length, 1)
  })
})

test('a restart whose commit fails leaves no second process', async () => {
  await withReleases(1, async (lab, fresh) => {
    const before = await lab.memory.list()
    lab.db.exec(`CREATE TRIGGER full BEFORE UPDATE OF status ON projects
      BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`)
    await assert.rejects(lab.engine.processes.restart(fresh(), ada), /full/)
    lab.db.exec('DROP TRIGGER full')
    assert.deepEqual(await lab.memory.list(), before)
    assert.equal(lab.store.instances.list().length, 1)
  })
})

test('a rollback is a new release of the old files, and without a number the one before', async () => {
  await withReleases(2, async (lab, fresh) => {
    const deployment = await lab.engine.releases.rollback(fresh(), {}, by)
    assert.deepEqual([deployment.release, deployment.source.kind], [3, 'release'])
    assert.deepEqual(
      deployment.steps.map(({ name, status }) => `${name} ${status}`),
      ['Receive skipped', 'Install skipped', 'Build skipped', 'Start done', 'Health done'],
    )
    const [now] = lab.engine.releases.list(fresh())
    assert.deepEqual([now?.number, now?.slug, now?.source.revision], [3, 1, revisionOf('a')])
    await lab.settled()
    assert.deepEqual(await releasesRunning(lab), [3])
  })
})

test('a rollback keeps the config vars of today unless those of then are asked for', async () => {
  await withReleases(1, async (lab, fresh) => {
    await lab.engine.configVars.put(fresh(), { COLOUR: 'blue' }, true, by)
    await lab.deploy(fresh(), lab.commit(revisionOf('b')))
    await lab.engine.releases.rollback(fresh(), { release: 1 }, by)
    assert.deepEqual(lab.engine.releases.list(fresh())[0]?.envVars, { COLOUR: 'blue' })
    await lab.engine.releases.rollback(fresh(), { release: 1, restoreEnv: true }, by)
    assert.deepEqual(lab.engine.releases.list(fresh())[0]?.envVars, {})
    assert.deepEqual(fresh().envVars, {})
  })
})

test('what cannot be rolled back to is refused with what can', async () => {
  await withReleases(1, async (lab, fresh) => {
    await assert.rejects(lab.engine.releases.rollback(fresh(), {}, by), (error) => {
      assert.ok(isRefusal(error, 'conflict'))
      assert.equal(error.hint, 'kept are: v1')
      return true
    })
    await assert.rejects(lab.engine.releases.rollback(fresh(), { release: 9 }, by), coded('not_found'))
    await lab.engine.projects.change(fresh(), { keepReleases: 1 }, ada)
    await lab.deploy(fresh(), lab.commit(revisionOf('b')))
    await lab.settled()
    const pruned = lab.engine.releases.rollback(fresh(), { release: 1 }, by)
    await assert.rejects(pruned, /the files of v1 have been pruned/)
  })
})

test('a rollback that fails leaves the newer release serving, without a link', async () => {
  await withReleases(2, async (lab, fresh) => {
    lab.faults.app = () => ({ does: 'crash', code: 1, says: ['no'] })
    await assert.rejects(lab.engine.releases.rollback(fresh(), {}, by), failed('boot_crashed'))
    assert.equal(await lab.visit('shop.localhost'), '200 v2')
    assert.deepEqual(await lab.releasesOnDisk('shop'), ['1', '2'])
  })
})

test('new config vars are a new release of the same files; the same ones again are nothing', async () => {
  await withReleases(1, async (lab, fresh) => {
    const deployment = await lab.engine.configVars.put(fresh(), { A: '1', B: '2' }, true, by)
    assert.equal(deployment?.release, 2)
    assert.equal(await lab.engine.configVars.put(fresh(), { B: '2', A: '1' }, true, by), null)
    await lab.engine.configVars.patch(fresh(), { A: null, C: '3' }, true, by)
    assert.deepEqual(fresh().envVars, { B: '2', C: '3' })
    assert.deepEqual(lab.engine.releases.list(fresh())[0]?.envVars, { B: '2', C: '3' })
  })
})

test('more config vars than a process can be started with are refused, and nothing changes', async () => {
  await withReleases(1, async (lab, fresh) => {
    const many = (count: number, value: string) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`VAR_${n}`, value]))
    const { configVars } = lab.engine
    await assert.rejects(configVars.put(fresh(), many(501, ''), false, by), coded('invalid'))
    await assert.rejects(configVars.put(fresh(), many(20, 'x'.repeat(30_000)), true, by), coded('invalid'))
    assert.deepEqual([fresh().envVars, fresh().currentRelease], [{}, 1])
    await configVars.put(fresh(), many(500, ''), false, by)
    await assert.rejects(configVars.patch(fresh(), { ONE_MORE: '' }, false, by), coded('invalid'))
    assert.equal(Object.keys(fresh().envVars).length, 500)
  })
})

test('config vars with which the app does not start are not stored', async () => {
  await withReleases(1, async (lab, fresh) => {
    lab.faults.app = () => ({ does: 'crash', code: 1, says: ['no'] })
    const change = lab.engine.configVars.put(fresh(), { A: '1' }, true, by)
    await assert.rejects(change, failed('boot_crashed'))
    assert.deepEqual(fresh().envVars, {})
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
  })
})

test('two changes of config vars at once both count', async () => {
  await withReleases(1, async (lab, fresh) => {
    const change = (values: Record<string, string>) => lab.engine.configVars.patch(fresh(), values, true, by)
    await Promise.all([change({ A: '1' }), change({ B: '2' })])
    assert.deepEqual(fresh().envVars, { A: '1', B: '2' })
  })
})

test('config vars of a stopped project, and those only to be stored, start nothing', async () => {
  await withReleases(1, async (lab, fresh) => {
    assert.equal(await lab.engine.configVars.put(fresh(), { A: '1' }, false, by), null)
    await lab.engine.processes.stop(fresh(), ada)
    assert.equal(await lab.engine.configVars.patch(fresh(), { B: '2' }, true, by), null)
    assert.deepEqual(fresh().envVars, { A: '1', B: '2' })
    assert.deepEqual(await lab.memory.list(), [])
    const empty = await lab.project('empty')
    assert.equal(await lab.engine.configVars.put(empty, { A: '1' }, true, by), null)
  })
})

test('a redeploy builds the current commit anew; without a release it is refused', async () => {
  await withReleases(1, async (lab, fresh) => {
    let installs = 0
    lab.faults.install = async () => void installs++
    const deployment = await lab.engine.deployments.redeploy(fresh(), by)
    assert.deepEqual([deployment.release, deployment.source.revision, installs], [2, revisionOf('a'), 1])
    const empty = await lab.project('empty')
    await assert.rejects(lab.engine.deployments.redeploy(empty, by), coded('conflict'))
  })
})

test('a branch of the repository can be deployed by its name; an unknown ref is refused', async () => {
  await withReleases(1, async (lab, fresh) => {
    lab.commit(revisionOf('b'))
    lab.branches('shop').set('next', revisionOf('b'))
    const deployment = await lab.engine.deployments.deployRef(fresh(), 'next', by)
    assert.equal(deployment.source.revision, revisionOf('b'))
    await assert.rejects(lab.engine.deployments.deployRef(fresh(), 'none', by), coded('not_found'))
  })
})

test('a redeploy that had to wait takes what went live meanwhile, never what was live before', async () => {
  await withReleases(1, async (lab, fresh) => {
    const proven = await lab.prove(fresh(), lab.commit(revisionOf('b')))
    const waiting = lab.engine.deployments.redeploy(fresh(), by)
    await proven.goLive()
    const deployment = await waiting
    assert.equal(deployment.source.revision, revisionOf('b'))
    assert.equal(await lab.visit('shop.localhost'), '200 v3')
  })
})

test('config vars that were only stored go live when they are set once more', async () => {
  await withReleases(1, async (lab, fresh) => {
    assert.equal(await lab.engine.configVars.patch(fresh(), { A: '1' }, false, by), null)
    const deployment = await lab.engine.configVars.patch(fresh(), { A: '1' }, true, by)
    assert.equal(deployment?.release, 2)
    assert.deepEqual(lab.engine.releases.list(fresh())[0]?.envVars, { A: '1' })
    assert.equal(await lab.engine.configVars.patch(fresh(), { A: '1' }, true, by), null)
  })
})

test('an upload goes live, is known by its hash, and redeploys from its files', async () => {
  await withReleases(0, async (lab, fresh) => {
    const file = path.join(lab.home, 'upload')
    const start = JSON.stringify({ scripts: { start: 'node server.js' } })
    await writeFile(file, zip([{ name: 'shop/package.json', data: start }, { name: 'shop/server.js' }]))
    const deployment = await lab.engine.deployments.deployUpload(fresh(), file, 'shop.zip', by)
    assert.equal(deployment.source.kind, 'zip')
    assert.match(deployment.source.revision, /^sha256:[0-9a-f]{64}$/)
    const again = await lab.engine.deployments.redeploy(fresh(), by)
    assert.equal(again.steps[1]?.status, 'skipped')
    assert.equal(lab.engine.releases.list(fresh())[0]?.slug, 1)
  })
})

test('a deployment under way can be cancelled by its number; one that has ended is left as it is', async () => {
  await withReleases(1, async (lab, fresh) => {
    lab.faults.install = async (job) => {
      lab.engine.deployments.cancel(fresh(), lab.engine.deployments.find(fresh(), 2), ada)
      job.signal.throwIfAborted()
    }
    await assert.rejects(lab.prove(fresh(), lab.commit(revisionOf('b'))), failed('cancelled'))
    lab.engine.deployments.cancel(fresh(), lab.engine.deployments.find(fresh(), 1), ada)
    assert.equal(lab.engine.deployments.find(fresh(), 1).status, 'live')
    assert.throws(() => lab.engine.deployments.find(fresh(), 9), coded('not_found'))
  })
})

test('the log of a deployment is followed to its end, whoever looks', async () => {
  await withReleases(1, async (lab, fresh) => {
    const proven = await lab.prove(fresh(), lab.commit(revisionOf('b')))
    const follow = async () => {
      const lines: string[] = []
      const always = new AbortController().signal
      for await (const line of lab.engine.deployments.log(fresh(), 2, always)) lines.push(line)
      return lines
    }
    const following = [follow(), follow()]
    await proven.abandon(new Refusal('superseded', 'main has moved'))
    for (const lines of await Promise.all(following)) {
      assert.ok(lines.includes('error: superseded: main has moved'))
    }
    const none: string[] = []
    for await (const line of lab.engine.deployments.log(fresh(), 99, AbortSignal.abort())) none.push(line)
    assert.deepEqual(none, [])
  })
})
