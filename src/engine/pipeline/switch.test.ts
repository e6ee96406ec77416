import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLab, revisionOf } from '../../testing/engine-lab.ts'

test('while the front door has not taken the new routes the old processes go on, and the next start mends it', async () => {
  const lab = await createLab()
  try {
    const project = await lab.project()
    await lab.deploy(project, lab.commit(revisionOf('a')))
    await lab.settled()
    lab.router.fail('the front door does not come back')
    const deployment = await lab.deploy(project, lab.commit(revisionOf('b')))
    await lab.settled()
    assert.equal(deployment.status, 'live')
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
    lab.router.fail(undefined)
    await lab.restart().reconcile()
    await lab.settled()
    assert.equal(await lab.visit('shop.localhost'), '200 v2')
    assert.equal((await lab.memory.list()).length, 1)
  } finally {
    await lab.close()
  }
})
