import assert from 'node:assert/strict'
import { access, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { ada, createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'
import { writeAppLog } from '../../testing/lab-apps.ts'
import { until } from '../../testing/until.ts'
import { isRefusal } from '../domain/refusal.ts'
import { DeploymentFailed } from './deployment-failed.ts'

async function withLab(work: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await createLab()
  try {
    await work(lab)
  } finally {
    await lab.close()
  }
}

const coded = (code: Parameters<typeof isRefusal>[1]) => (error: unknown) => isRefusal(error, code)

test('a new project has folders and a route, and nothing runs', async () => {
  await withLab(async (lab) => {
    const project = await lab.engine.projects.create({ displayName: 'My Shop!', envVars: { A: '1' } }, ada)
    assert.deepEqual([project.name, project.displayName, project.status], ['my-shop', 'My Shop!', 'stopped'])
    await access(lab.paths.data('my-shop'))
    assert.equal(await lab.visit('my-shop.localhost'), 'nothing (stopped)')
    assert.deepEqual(await lab.memory.list(), [])
  })
})

test('names that are taken, reserved or unusable are refused', async () => {
  await withLab(async (lab) => {
    await lab.project('shop')
    await assert.rejects(lab.project('shop'), coded('conflict'))
    await assert.rejects(lab.project('Shop'), coded('conflict'))
    for (const name of ['www', 'API', '!', '']) {
      await assert.rejects(lab.project(name), coded('invalid'), name)
    }
  })
})

test('of two that create one name at once, one is refused as conflict', async () => {
  await withLab(async (lab) => {
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => lab.project('shop')))
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    assert.equal(refused.length, 4)
    assert.ok(
      refused.every((error) => isRefusal(error, 'conflict')),
      String(refused[0]),
    )
  })
})

test('a project shows what runs, and what the machine no longer has as stopped', async () => {
  await withLab(async (lab) => {
    const project = await lab.project()
    await lab.deploy(project, lab.commit(revisionOf('a')))
    const [instance] = (await lab.engine.projects.show(project)).instances
    assert.deepEqual([instance?.name, instance?.status, instance?.release], ['web.1', 'online', 1])
    assert.ok(instance?.pid && instance.memoryBytes > 0)
    lab.memory.lose()
    const [lost] = (await lab.engine.projects.show(project)).instances
    assert.deepEqual([lost?.status, lost?.pid], ['stopped', null])
    await lab.memory.connect()
  })
})

test('a project says while it is being deployed', async () => {
  await withLab(async (lab) => {
    const project = await lab.project()
    const proven = await lab.prove(project, lab.commit(revisionOf('a')))
    assert.equal((await lab.engine.projects.show(project)).deploying, true)
    await proven.goLive()
    assert.equal((await lab.engine.projects.show(project)).deploying, false)
  })
})

test('what an app wrote is read by project', async () => {
  await withLab(async (lab) => {
    const project = await lab.project()
    await lab.deploy(project, lab.commit(revisionOf('a')))
    const [instance] = await lab.memory.list()
    assert.ok(instance)
    const group = { ...instance, logDirectory: lab.paths.projectLogs('shop') }
    await writeAppLog({ ...group, cwd: '', command: '', instances: [], graceMs: 0 }, 1, ['one', 'two'])
    const lines = await lab.engine.projects.appLog(project, { lines: 1 })
    assert.deepEqual(
      lines.map(({ line }) => line),
      ['two'],
    )
  })
})

test('deleting a project ends its processes and removes everything of it, its data too', async () => {
  await withLab(async (lab) => {
    const project = await lab.project()
    await lab.deploy(project, lab.commit(revisionOf('a')))
    await writeFile(path.join(lab.paths.data('shop'), 'db.sqlite'), 'x')
    lab.branches('shop').set('main', revisionOf('a'))
    await lab.engine.projects.remove(project, ada)
    assert.deepEqual(await lab.memory.list(), [])
    assert.equal(lab.router.route('shop.localhost'), undefined)
    await assert.rejects(access(lab.paths.project('shop')))
    await assert.rejects(access(lab.paths.projectLogs('shop')))
    assert.deepEqual(lab.forgotten, ['shop'])
    assert.equal(await lab.deps.repositories.branchTip('shop', 'main'), null)
    assert.throws(() => lab.engine.projects.get('shop'), coded('not_found'))
    assert.deepEqual(lab.store.settings.keys('deleting:'), [])
    assert.ok((await lab.project()).id > project.id)
  })
})

test('deleting a project cancels the deployment under way, and the one that waits behind it', async () => {
  await withLab(async (lab) => {
    const project = await lab.project()
    lab.faults.app = () => ({ does: 'stay silent' })
    const first = lab.prove(project, lab.commit(revisionOf('a')))
    const lines: string[] = []
    const second = lab.prove(project, lab.commit(revisionOf('b')), { output: (line) => lines.push(line) })
    const outcomes = Promise.allSettled([first, second])
    await until(
      'one runs and one waits',
      async () => lines.length > 1 && (await lab.memory.list()).length > 0,
    )
    await lab.engine.projects.remove(project, ada)
    const [under, waiting] = await outcomes
    assert.ok(under?.status === 'rejected' && under.reason instanceof DeploymentFailed)
    assert.equal(under.reason.refusal.message, 'the project is being deleted')
    assert.ok(waiting?.status === 'rejected' && waiting.reason instanceof DeploymentFailed)
    assert.equal(waiting.reason.refusal.code, 'cancelled')
    assert.deepEqual(await lab.memory.list(), [])
    await assert.rejects(access(lab.paths.project('shop')))
  })
})
