import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { ada, createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'
import { until } from '../../testing/until.ts'
import type { ProjectRow } from '../store/projects.ts'

const host = 'shop.localhost'

interface Given {
  readonly guard?: boolean
  readonly watchMs?: number
}

/** v1 has answered a hundred requests well; then v2 goes live. */
async function withTwoReleases(
  { guard = true, watchMs = 2_000 }: Given,
  work: (lab: Lab, project: ProjectRow) => Promise<void>,
): Promise<void> {
  const lab = await createLab({ watchMs })
  try {
    const project = await lab.project()
    if (guard) await lab.engine.projects.change(project, { settings: { regressionGuard: true } }, ada)
    const current = () => lab.engine.projects.get('shop')
    await lab.deploy(current(), lab.commit(revisionOf('a')))
    answer(lab, 100, 200)
    await lab.deploy(current(), lab.commit(revisionOf('b')))
    await work(lab, current())
  } finally {
    await lab.close()
  }
}

function answer(lab: Lab, count: number, status: number, ms = 5): void {
  for (let n = 0; n < count; n++) lab.router.count(host, { status, ms })
}

const comparisonOf = (lab: Lab, project: ProjectRow, number: number) =>
  lab.store.deployments.find(project.id, number)?.comparison ?? assert.fail('nothing is compared')

const ended = (lab: Lab, project: ProjectRow, number: number) =>
  until('the first minute is over', () => {
    const found = comparisonOf(lab, project, number)
    return found.state !== 'watching' && found
  })

const releasesThatRun = async (lab: Lab) =>
  [...new Set((await lab.memory.list()).map(({ release }) => release))].sort()

describe('the first minute of a release', () => {
  test('is compared with the release before, also without the guard, and changes nothing then', () =>
    withTwoReleases({ guard: false }, async (lab, project) => {
      answer(lab, 60, 500)
      const found = await ended(lab, project, 2)
      assert.deepEqual([found.state, found.verdict, found.guarded], ['done', 'worse', false])
      assert.deepEqual([found.current.requests, found.current.errors], [60, 60])
      assert.deepEqual([found.before.requests, found.before.errors], [100, 0])
      assert.match(found.reason, /100 % of 60 requests to v2 failed, and 0 % of 100 to v1/)
      assert.equal(lab.engine.projects.get('shop').currentRelease, 2)
    }))

  test('ends with the old processes where the new release is well', () =>
    withTwoReleases({}, async (lab, project) => {
      assert.deepEqual(await releasesThatRun(lab), [1, 2])
      answer(lab, 60, 200)
      const found = await ended(lab, project, 2)
      assert.deepEqual([found.state, found.verdict], ['done', 'not_worse'])
      await until('v1 has ended', async () => (await releasesThatRun(lab)).join() === '2')
      assert.deepEqual(
        lab.store.instances.ofProject(project.id).map(({ state }) => state),
        ['serving'],
      )
    }))

  test('a release with clearly more errors is switched back to the processes that were kept', () =>
    withTwoReleases({}, async (lab, project) => {
      const kept = (await lab.memory.list()).find(({ release }) => release === 1)
      answer(lab, 60, 500)
      const found = await ended(lab, project, 2)
      assert.deepEqual([found.state, found.switchedBackBy], ['switched_back', 3])
      const back = lab.store.deployments.find(project.id, 3)
      assert.deepEqual([back?.status, back?.release, back?.by], ['live', 3, 'NodePilot'])
      assert.equal(back?.source.revision, 'v1')
      assert.equal(lab.engine.projects.get('shop').currentRelease, 3)
      await until('v2 has ended', async () => (await releasesThatRun(lab)).join() === '1')
      const [now] = await lab.memory.list()
      assert.equal(now?.generation, kept?.generation)
      assert.match(await lab.visit(host), /^200 /)
      const log = await readFile(lab.paths.deploymentLog('shop', 2), 'utf8')
      assert.match(log, /warning: the regression guard switched back to v1, as v3 \(deployment 3\)/)
      assert.deepEqual(
        lab.engine.audit.list({ limit: 20 }).filter(({ action }) => action === 'release.guard').length,
        1,
      )
    }))

  test('a release that is clearly slower is switched back', () =>
    withTwoReleases({}, async (lab, project) => {
      answer(lab, 60, 200, 900)
      const found = await ended(lab, project, 2)
      assert.equal(found.state, 'switched_back')
      assert.match(found.reason, /95 % of the answers of v2/)
    }))

  test('whoever deploys next is told', () =>
    withTwoReleases({}, async (lab, project) => {
      answer(lab, 60, 500)
      await ended(lab, project, 2)
      const lines: string[] = []
      await lab.deploy(lab.engine.projects.get('shop'), lab.commit(revisionOf('c')), {
        output: (line) => void lines.push(line),
      })
      assert.match(lines.join('\n'), /warning: v2 was switched back to v1 by the regression guard: 100 %/)
    }))

  test('new processes start where the kept ones are gone', () =>
    withTwoReleases({}, async (lab, project) => {
      const kept = (await lab.memory.list()).find(({ release }) => release === 1)
      assert.ok(kept)
      await lab.memory.stop(kept, 0)
      answer(lab, 60, 500)
      assert.equal((await ended(lab, project, 2)).state, 'switched_back')
      assert.match(await lab.visit(host), /^200 /)
      const serving = lab.store.instances.ofProject(project.id, 'serving')
      assert.deepEqual(
        serving.map(({ release, slug }) => [release, slug]),
        [[3, 1]],
      )
    }))

  test('a newer release ends it, and its old processes take the place of the older ones', () =>
    withTwoReleases({ watchMs: 60_000 }, async (lab, project) => {
      await lab.deploy(lab.engine.projects.get('shop'), lab.commit(revisionOf('c')))
      await until('v1 has ended', async () => (await releasesThatRun(lab)).join() === '2,3')
      assert.equal(comparisonOf(lab, project, 3).state, 'watching')
    }))

  test('a stop ends everything', () =>
    withTwoReleases({ watchMs: 60_000 }, async (lab, project) => {
      await lab.engine.processes.stop(project, ada)
      await until('nothing runs', async () => (await releasesThatRun(lab)).length === 0)
    }))

  test('goes on after the server was killed in it', () =>
    withTwoReleases({ watchMs: 5_000 }, async (lab, project) => {
      answer(lab, 60, 500)
      // the one before gives up with its signal, as with a killed server
      await lab.engine.close()
      assert.equal(comparisonOf(lab, project, 2).state, 'watching')
      await lab.restart().reconcile()
      assert.deepEqual(await releasesThatRun(lab), [1, 2])
      assert.equal((await ended(lab, project, 2)).state, 'switched_back')
      assert.deepEqual(await releasesThatRun(lab).then((all) => all[0]), 1)
    }))
})
