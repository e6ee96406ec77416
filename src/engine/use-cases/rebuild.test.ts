import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'
import { until } from '../../testing/until.ts'
import { rebuildKey } from '../backup/rebuild-key.ts'
import type { ProjectRow } from '../store/projects.ts'

/** What is live after a restore, built again one project after the other. */

async function restored(lab: Lab, name: string, letter: string): Promise<ProjectRow> {
  const created = await lab.project(name)
  await lab.deploy(created, lab.commit(revisionOf(letter)))
  await lab.settled()
  for (const row of lab.store.instances.ofProject(created.id)) {
    await lab.memory.stop({ ...row, project: name }, 0)
    lab.store.instances.remove(created.id, row, [row.position])
  }
  lab.store.settings.set(rebuildKey(name), 'running')
  return lab.engine.projects.get(name)
}

test('a push that is under way has the last word over what is built again', async () => {
  const lab = await createLab()
  try {
    await restored(lab, 'alpha', 'a')
    const shop = await restored(lab, 'shop', 'b')
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    lab.faults.install = async ({ home }) => (home?.includes('alpha') ? held : undefined)
    await lab.engine.reconcile()
    const proven = await lab.prove(shop, lab.commit(revisionOf('c')))
    release()
    await until('the rebuild waits', () =>
      lab.store.deployments.list(shop.id).some((d) => d.status === 'queued'),
    )
    assert.equal((await proven.goLive()).source.revision, revisionOf('c'))
    await until('both are done', () => lab.store.settings.keys('rebuild:').length === 0)
    await lab.settled()
    const live = lab.store.deployments.list(shop.id).filter(({ status }) => status === 'live')
    assert.deepEqual(
      live.map(({ source }) => source.revision),
      [revisionOf('c')],
    )
    assert.equal(await lab.visit('shop.localhost'), '200 v2')
    assert.equal(await lab.visit('alpha.localhost'), '200 v2')
    assert.doesNotMatch(lab.reports.join('\n'), /could not be built again/)
  } finally {
    await lab.close()
  }
})
