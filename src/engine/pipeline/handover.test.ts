import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ada, createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'
import { until } from '../../testing/until.ts'

/** v1 of a project that may not run two versions at once is live. */
async function inPlace(check: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await createLab()
  try {
    const project = await lab.project()
    lab.engine.projects.change(project, { settings: { overlap: false } }, ada)
    await lab.deploy(lab.engine.projects.get('shop'), lab.commit(revisionOf('a')))
    await lab.settled()
    await check(lab)
  } finally {
    await lab.close()
  }
}

const serves = (lab: Lab, what: string) =>
  until(what, async () => (await lab.visit('shop.localhost')) === `200 ${what}`)

test('an old version that cannot be started again at once is tried again while requests wait', async () => {
  await inPlace(async (lab) => {
    let refused = 0
    lab.faults.start = async ({ release }) => {
      if (release === 2) throw new Error('the new one is broken')
      if (++refused <= 2) throw new Error('the machine is busy')
    }
    await assert.rejects(
      lab.deploy(lab.engine.projects.get('shop'), lab.commit(revisionOf('b'))),
      /internal error/,
    )
    assert.equal(refused, 3)
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
  })
})

test('PM2 lost while the front door takes the routes: the new version is started again', async () => {
  await inPlace(async (lab) => {
    const { apply } = lab.router
    lab.router.apply = async (table) => {
      lab.router.apply = apply
      lab.memory.lose()
      await lab.memory.connect()
      await lab.engine.mend()
      await apply(table)
    }
    await lab.deploy(lab.engine.projects.get('shop'), lab.commit(revisionOf('b')))
    await serves(lab, 'v2')
    await lab.settled()
    assert.deepEqual(
      (await lab.memory.list()).map(({ release }) => release),
      [2],
    )
  })
})

test('what cannot be started after the loss of PM2 is started as soon as it can be', async () => {
  await inPlace(async (lab) => {
    let refused = 0
    lab.faults.start = async () => {
      if (++refused <= 2) throw new Error('no memory is left')
    }
    lab.memory.lose()
    await lab.memory.connect()
    await lab.engine.mend()
    await serves(lab, 'v1')
    assert.equal(refused, 3)
  })
})
