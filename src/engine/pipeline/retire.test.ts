import assert from 'node:assert/strict'
import { readlink } from 'node:fs/promises'
import { test } from 'node:test'
import { ada, createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'
import { until } from '../../testing/until.ts'
import type { ProjectRow } from '../store/projects.ts'
import { groupsOf } from './discard.ts'

async function withReleases(
  count: number,
  work: (lab: Lab, project: ProjectRow) => Promise<void>,
  drainMs = 200,
): Promise<void> {
  const lab = await createLab({ keepReleases: 2, drainMs })
  try {
    const project = await lab.project()
    for (let i = 0; i < count; i++) {
      await lab.deploy(project, lab.commit(revisionOf('abcdefgh'[i] ?? 'z')))
      await lab.settled()
    }
    await work(lab, lab.engine.projects.get('shop'))
  } finally {
    await lab.close()
  }
}

const kept = (lab: Lab, project: ProjectRow) =>
  lab.engine.releases
    .list(project)
    .filter((release) => release.prunedAt === null)
    .map((release) => release.number)

test('the newest releases are kept on disk and in the list, older ones go from both', async () => {
  await withReleases(5, async (lab, project) => {
    assert.deepEqual(await lab.releasesOnDisk('shop'), ['4', '5'])
    assert.deepEqual(kept(lab, project), [5, 4])
    assert.equal(lab.engine.releases.list(project).length, 5)
  })
})

test('a project may keep more than the server', async () => {
  await withReleases(1, async (lab, project) => {
    await lab.engine.projects.change(project, { keepReleases: 4 }, ada)
    for (const letter of ['b', 'c', 'd', 'e']) {
      await lab.deploy(project, lab.commit(revisionOf(letter)))
      await lab.settled()
    }
    assert.deepEqual(kept(lab, project), [5, 4, 3, 2])
  })
})

test('the files that serve are never pruned, however old they are', async () => {
  await withReleases(2, async (lab, project) => {
    const back = { release: 1 }
    await lab.engine.releases.rollback(project, back, { who: ada })
    await lab.settled()
    assert.equal(await readlink(lab.paths.release('shop', 3)), '1')
    assert.deepEqual(await lab.releasesOnDisk('shop'), ['1', '2', '3'])
    await lab.engine.projects.change(project, { keepReleases: 1 }, ada)
    await lab.engine.processes.restart(project, ada)
    await lab.settled()
    assert.deepEqual(await lab.releasesOnDisk('shop'), ['1', '3'])
    assert.equal(await lab.visit('shop.localhost'), '200 v3')
  })
})

test('a link goes with the files it leads to', async () => {
  await withReleases(2, async (lab, project) => {
    await lab.engine.releases.rollback(project, { release: 1 }, { who: ada })
    await lab.settled()
    for (const letter of ['d', 'e']) {
      await lab.deploy(project, lab.commit(revisionOf(letter)))
      await lab.settled()
    }
    assert.deepEqual(await lab.releasesOnDisk('shop'), ['4', '5'])
  })
})

test('an old process ends only after its last request', async () => {
  await withReleases(
    1,
    async (lab, project) => {
      const endpoint = lab.router.route('shop.localhost')?.endpoints[0]
      assert.ok(endpoint)
      const finish = lab.router.begin(endpoint)
      await lab.deploy(project, lab.commit(revisionOf('b')))
      assert.equal(await lab.visit('shop.localhost'), '200 v2')
      assert.equal((await lab.memory.list()).length, 2)
      finish()
      await until('the old one has ended', async () => (await lab.memory.list()).length === 1)
    },
    60_000,
  )
})

test('who waits behind a long deployment keeps no other project from being tidied, and is tidied after it', async () => {
  await withReleases(
    2,
    async (lab, shop) => {
      const other = await lab.project('other')
      const endpoint = lab.router.route('shop.localhost')?.endpoints[0]
      assert.ok(endpoint)
      const finish = lab.router.begin(endpoint)
      await lab.deploy(shop, lab.commit(revisionOf('c')))
      let letGo = () => {}
      const installing = new Promise<void>((begun) => {
        lab.faults.install = () => {
          begun()
          return new Promise((resolve) => (letGo = resolve))
        }
      })
      const long = lab.deploy(shop, lab.commit(revisionOf('d')))
      await installing
      delete lab.faults.install
      finish()
      for (const letter of ['e', 'f', 'g']) await lab.deploy(other, lab.commit(revisionOf(letter)))
      await until('other is tidied', async () => (await lab.releasesOnDisk('other')).join() === '2,3')
      assert.ok((await lab.releasesOnDisk('shop')).includes('1'), 'shop is at work')
      letGo()
      await long
      await until('shop is tidied', async () => (await lab.releasesOnDisk('shop')).join() === '3,4')
    },
    60_000,
  )
})

test('a request that outlasts the drain is cut off, and the server says so', async () => {
  await withReleases(1, async (lab, project) => {
    const endpoint = lab.router.route('shop.localhost')?.endpoints[0]
    assert.ok(endpoint)
    lab.router.begin(endpoint)
    await lab.deploy(project, lab.commit(revisionOf('b')))
    await lab.settled()
    assert.equal((await lab.memory.list()).length, 1)
    assert.ok(lab.reports.includes('1 requests were still open after 200 ms and are cut off'))
  })
})

test('a front door that is away has no traffic to wait for', async () => {
  await withReleases(1, async (lab, project) => {
    await lab.engine.processes.restart(project, ada)
    lab.router.fail('gone')
    await lab.settled()
    lab.router.fail(undefined)
    assert.equal((await lab.memory.list()).length, 1)
  })
})

test('a group is ended once, and only those of its instances that are to end', () => {
  const row = {
    projectId: 1,
    release: 1,
    type: 'web',
    generation: 7,
    slug: 1,
    port: null,
    state: 'retiring' as const,
  }
  const rows = [2, 3].map((position) => ({ ...row, position }))
  const ref = { project: 'shop', type: 'web', release: 1, generation: 7 }
  assert.deepEqual(groupsOf('shop', rows), [{ ref, positions: [2, 3] }])
})
