import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ada, appFiles, createLab, revisionOf } from '../../testing/engine-lab.ts'

test('a project is in maintenance until it is taken out again, with the page of its live release', async () => {
  const lab = await createLab()
  try {
    const project = await lab.project()
    const fresh = () => lab.engine.projects.get(project.id)
    const set = (settings: object) => lab.engine.projects.change(fresh(), { settings }, ada)
    const inForce = () => lab.router.route('shop.localhost')?.maintenance
    const release = (letter: string, page: string) => {
      const files = [...appFiles(letter), { path: 'maintenance.html', data: page }]
      return lab.deploy(fresh(), lab.commit(revisionOf(letter), files))
    }

    await set({ maintenance: true })
    assert.deepEqual(inForce(), { page: null, allow: [] }, 'also while nothing is deployed')
    await release('a', 'page of v1')
    await set({ maintenanceAllow: ['203.0.113.0/24'] })
    assert.deepEqual(inForce(), { page: 'page of v1', allow: ['203.0.113.0/24'] })
    await release('b', 'page of v2')
    assert.equal(inForce()?.page, 'page of v2')
    await lab.engine.releases.rollback(fresh(), { release: 1 }, { who: ada })
    assert.equal(inForce()?.page, 'page of v1')
    await set({ maintenancePage: 'page of the setting' })
    assert.equal(inForce()?.page, 'page of the setting')
    await lab.engine.processes.stop(fresh(), ada)
    await lab.restart().reconcile()
    assert.equal(inForce()?.page, 'page of the setting')
    await lab.engine.processes.start(fresh(), ada)

    await set({ maintenance: false })
    assert.equal(inForce(), undefined)
    assert.match(await lab.visit('shop.localhost'), /^200 /)
  } finally {
    await lab.close()
  }
})

test('the audit log says who turned maintenance on and off, and keeps no whole page', async () => {
  const lab = await createLab()
  try {
    const project = await lab.project()
    const set = (settings: object) =>
      lab.engine.projects.change(lab.engine.projects.get(project.id), { settings }, ada)
    const entries = (limit: number) =>
      lab.engine.audit.list({ limit }).map(({ action, after, user }) => [action, after, user])
    await set({ maintenance: true })
    assert.deepEqual(entries(1), [['project.maintenance-on', null, 'ada']])
    const page = 'x'.repeat(60_000)
    await set({ maintenance: false, maintenancePage: page, sticky: true })
    const kept = `${'x'.repeat(100)}… (60000 characters)`
    assert.deepEqual(entries(2), [
      ['project.change', { maintenancePage: kept, sticky: true }, 'ada'],
      ['project.maintenance-off', null, 'ada'],
    ])
  } finally {
    await lab.close()
  }
})

test('previews of a project in maintenance are not', async () => {
  const lab = await createLab()
  try {
    const project = await lab.project()
    const settings = { previews: true, maintenance: true, maintenancePage: 'soon' }
    const shop = await lab.engine.projects.change(project, { settings }, ada)
    const preview = await lab.engine.previews.forPush(shop, 'fix', ada)
    const made = lab.engine.projects.get(preview?.id ?? 0).settings
    assert.deepEqual([made.maintenance, made.maintenancePage], [false, 'soon'])
  } finally {
    await lab.close()
  }
})
