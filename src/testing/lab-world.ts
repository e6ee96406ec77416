import assert from 'node:assert/strict'
import type { Lab } from './engine-lab.ts'

/** True when everything is as the database says; throws what is not. */
export async function isAsWritten(lab: Lab): Promise<true> {
  const { store, memory, router, db } = lab
  const rows = store.instances.list()
  const name = new Map(store.projects.names().map((project) => [project.id, project.name]))
  assert.deepEqual(
    rows.filter(({ state }) => state !== 'serving'),
    [],
  )
  assert.deepEqual(db.prepare(`SELECT number FROM deployments WHERE finished_at IS NULL`).all(), [])
  assert.deepEqual(store.settings.keys('deleting:'), [])
  const key = (project: unknown, type: string, index: number, generation: number) =>
    `${project} ${type}.${index} g${generation}`
  assert.deepEqual(
    (await memory.list()).map((one) => key(one.project, one.type, one.index, one.generation)).sort(),
    rows.map((row) => key(name.get(row.projectId), row.type, row.position, row.generation)).sort(),
  )
  assert.deepEqual(
    (router.table()?.routes ?? []).map((route) => route.project).sort(),
    [...name.values()].sort(),
  )
  for (const project of store.projects.list()) {
    const awake = project.status !== 'stopped' && project.asleepAt === null
    const serves = awake && project.currentRelease !== null
    const web = rows.filter((row) => row.projectId === project.id && row.type === 'web')
    assert.equal(
      web.length,
      serves ? (project.processes.web ?? 1) : 0,
      `${project.name} has ${web.length} web`,
    )
    const route = router.route(`${project.name}.localhost`)
    assert.deepEqual(route?.endpoints.map(({ port }) => port).sort(), web.map(({ port }) => port).sort())
    const domain = store.domains.ofProject(project.id).length > 0
    assert.equal(router.route(`${project.name}.example.org`)?.project, domain ? project.name : undefined)
    if (web.length > 0)
      assert.equal(await lab.visit(`${project.name}.localhost`), `200 v${project.currentRelease}`)
    const kept = store.releases.kept(project.id).map(({ number }) => String(number))
    assert.deepEqual(await lab.releasesOnDisk(project.name), kept.sort())
  }
  return true
}
