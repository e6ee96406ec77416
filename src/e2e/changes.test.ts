import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Changes } from '../engine/changes/compare.ts'
import { app, hello } from '../testing/apps.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered, deploymentsOf } from '../testing/project.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

describe('what a deployment changed', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let tree: WorkTree
  const nothing = { added: [], removed: [], changed: [] }
  const changes = async (number: number): Promise<Changes> =>
    answered(await pilot.api(`/api/project/shop/deployments/${number}/changes`)).json<{ changes: Changes }>()
      .changes
  const subjects = (list: Changes['commits']) => list.map(({ subject }) => subject)
  const push = async (code = 0) => {
    const pushed = await tree.push(pilot.remote('shop'))
    assert.equal(pushed.code, code, pushed.all)
  }

  before(async () => {
    pilot = await startPilot()
    tree = await workTree(hello('v1'))
    await push()
  })
  after(async () => {
    await tree?.remove()
    await pilot?.stop()
  })

  test('the first one is compared with nothing', async () => {
    const first = await changes(1)
    assert.deepEqual([first.from, first.to, first.commits, first.dependencies], [null, 1, [], null])
  })

  test('a push has its commits, newest first, with hostile subjects as plain data', async () => {
    const hostile = '<img src=x onerror=alert(1)> $(id) \u001b[31m'
    await tree.commit(hello('v2'), 'Second')
    const newest = await tree.commit(hello('v3'), hostile)
    await push()
    const found = await changes(2)
    assert.deepEqual([found.from, found.to, found.history, found.commitCount], [1, 2, true, 2])
    assert.deepEqual(subjects(found.commits), [hostile, 'Second'])
    assert.deepEqual([found.commits[0]?.sha, found.commits[0]?.author], [newest, 'Test'])
    assert.ok(found.commits[0]?.at)
    assert.deepEqual(found.dependencies, { ...nothing, count: 0 })
    assert.deepEqual([found.configVars, found.commands], [nothing, []])
  })

  test('config vars are named and never shown', async () => {
    const body = { API_KEY: 'sk-very-secret', MODE: 'fast' }
    answered(await pilot.api('/api/project/shop/env', { method: 'PUT', body }))
    const [newest] = await deploymentsOf(pilot, 'shop')
    const found = await changes(newest?.number ?? 0)
    assert.deepEqual(found.configVars, { ...nothing, added: ['API_KEY', 'MODE'] })
    assert.deepEqual([found.history, found.commitCount, found.undoneCount], [true, 0, 0])
    assert.doesNotMatch(JSON.stringify(found), /very-secret/)
  })

  test('a rollback says what it undoes', async () => {
    const target = { release: 1 }
    answered(await pilot.api('/api/project/shop/rollback', { method: 'POST', body: target }))
    const [newest] = await deploymentsOf(pilot, 'shop')
    const found = await changes(newest?.number ?? 0)
    assert.deepEqual([found.from, found.to, found.commitCount, found.undoneCount], [3, 4, 0, 2])
    assert.equal(subjects(found.undone)[1], 'Second')
  })

  test('a rejected push says what it would have changed, though its commits are forgotten', async () => {
    const manifest = { scripts: { start: 'node server.js', build: 'exit 3' }, dependencies: {} }
    const broken = await tree.commit(app('process.exit(1)', manifest), 'Break the build')
    await push(1)
    const [newest] = await deploymentsOf(pilot, 'shop')
    assert.equal(newest?.status, 'failed')
    const found = await changes(newest?.number ?? 0)
    assert.deepEqual([found.from, found.to, found.history], [4, null, true])
    assert.equal(found.commits[0]?.sha, broken)
    assert.deepEqual(subjects(found.commits).slice(0, 1), ['Break the build'])
    assert.deepEqual(found.dependencies, { ...nothing, count: 0 })
  })

  test('a changed start command is told from the old one', async () => {
    const manifest = { scripts: { start: 'node ./server.js' } }
    await tree.commit(
      { ...hello('v5'), ...app(hello('v5')['server.js'] as string, manifest) },
      'Start otherwise',
    )
    await push()
    const [newest] = await deploymentsOf(pilot, 'shop')
    const found = await changes(newest?.number ?? 0)
    assert.equal(found.commands.length, 1)
    assert.equal(found.commands[0]?.type, 'web')
    assert.notEqual(found.commands[0]?.from, found.commands[0]?.to)
  })

  test('who may not see the project may not see its changes', async () => {
    assert.equal((await pilot.api('/api/project/shop/deployments/1/changes', { token: null })).status, 401)
    assert.equal((await pilot.api('/api/project/shop/deployments/99/changes')).status, 404)
  })
})
