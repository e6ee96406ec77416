import assert from 'node:assert/strict'
import { access, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { ada, createLab, type Lab, revisionOf } from '../testing/engine-lab.ts'
import { until } from '../testing/until.ts'
import type { GroupSpec } from './ports.ts'
import type { ProjectRow } from './store/projects.ts'

/** A project whose v1 is live; then the server dies, `leftovers` describes how, and the next one starts. */
async function afterDeath(
  leftovers: (lab: Lab, project: ProjectRow) => Promise<void>,
  check: (lab: Lab, project: ProjectRow) => Promise<void>,
): Promise<void> {
  const lab = await createLab({ keepReleases: 2 })
  try {
    await lab.deploy(await lab.project(), lab.commit(revisionOf('a')))
    const project = lab.engine.projects.get('shop')
    lab.branches('shop').set('main', revisionOf('a'))
    await lab.settled()
    await leftovers(lab, project)
    await lab.restart().reconcile()
    await check(lab, project)
  } finally {
    await lab.close()
  }
}

const generations = async (lab: Lab) => (await lab.memory.list()).map(({ generation }) => generation)

function groupOf(project: string, generation: number, release = 2): GroupSpec {
  return {
    project,
    type: 'web',
    release,
    generation,
    cwd: '/',
    command: 'node server.js',
    instances: [{ index: 1, port: null, env: {} }],
    logDirectory: '/nowhere',
    graceMs: 1_000,
  }
}

/** What a deployment under way looks like in the database. */
function beginDeployment(lab: Lab, project: ProjectRow, revision: string): number {
  const number = lab.store.projects.takeDeploymentNumber(project.id)
  const source = { kind: 'git' as const, revision, message: null }
  const id = lab.store.deployments.create({ projectId: project.id, number, source, by: 'ada' })
  lab.store.deployments.putStep(id, 0, { name: 'Receive', status: 'running', ms: null, note: '' })
  return number
}

function addRow(lab: Lab, project: ProjectRow, state: 'candidate' | 'serving' | 'retiring', release = 2) {
  const generation = lab.store.settings.next('generation')
  const { id: projectId } = project
  lab.store.instances.create({
    projectId,
    release,
    type: 'web',
    position: 1,
    generation,
    slug: release,
    port: null,
    state,
  })
  return generation
}

test('after a quiet end nothing is started, stopped or counted anew', async () => {
  let before: unknown
  await afterDeath(
    async (lab) => {
      before = await lab.memory.list()
    },
    async (lab) => {
      assert.deepEqual(await lab.memory.list(), before)
      assert.equal(await lab.visit('shop.localhost'), '200 v1')
    },
  )
})

test('a deployment that was interrupted has failed and says why', async () => {
  await afterDeath(
    async (lab, project) => void beginDeployment(lab, project, revisionOf('b')),
    async (lab, project) => {
      await lab.settled()
      const deployment = lab.store.deployments.find(project.id, 2)
      assert.equal(deployment?.status, 'failed')
      assert.deepEqual(deployment?.error, {
        code: 'internal',
        message: 'the server stopped in the middle of it',
        hint: 'push again',
      })
      assert.equal(deployment?.steps[0]?.status, 'failed')
      assert.equal(lab.store.deployments.list(project.id).length, 2)
      assert.equal(await lab.visit('shop.localhost'), '200 v1')
    },
  )
})

test('a commit whose ref had moved when the server died is deployed now', async () => {
  await afterDeath(
    async (lab, project) => {
      beginDeployment(lab, project, revisionOf('b'))
      lab.commit(revisionOf('b'))
      lab.branches('shop').set('main', revisionOf('b'))
    },
    async (lab, project) => {
      const done = await until('the commit is live', () => {
        const deployment = lab.store.deployments.find(project.id, 3)
        return deployment?.status === 'live' ? deployment : null
      })
      assert.equal(done.source.revision, revisionOf('b'))
      assert.equal(done.by, 'NodePilot')
      assert.equal(await lab.visit('shop.localhost'), '200 v2')
    },
  )
})

test('a first push to master whose ref had moved is deployed too', async () => {
  const lab = await createLab()
  try {
    const project = await lab.project()
    beginDeployment(lab, project, revisionOf('a'))
    lab.commit(revisionOf('a'))
    lab.branches('shop').set('master', revisionOf('a'))
    await lab.restart().reconcile()
    await until('the commit is live', () => lab.store.deployments.find(project.id, 2)?.status === 'live')
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
  } finally {
    await lab.close()
  }
})

test('a candidate of a dead server ends, with its row and its directory', async () => {
  await afterDeath(
    async (lab, project) => {
      const generation = addRow(lab, project, 'candidate')
      await lab.memory.start(groupOf('shop', generation))
      await mkdir(lab.paths.release('shop', 2))
    },
    async (lab, project) => {
      assert.equal((await lab.memory.list()).length, 1)
      assert.deepEqual(lab.store.instances.ofProject(project.id, 'candidate'), [])
      assert.deepEqual(await lab.releasesOnDisk('shop'), ['1'])
    },
  )
})

test('a candidate row whose process never started is forgotten', async () => {
  await afterDeath(
    async (lab, project) => void addRow(lab, project, 'candidate'),
    async (lab, project) => assert.equal(lab.store.instances.ofProject(project.id).length, 1),
  )
})

test('what was retiring when the server died is ended', async () => {
  await afterDeath(
    async (lab, project) => {
      const generation = addRow(lab, project, 'retiring', 1)
      await lab.memory.start(groupOf('shop', generation, 1))
    },
    async (lab, project) => {
      await lab.settled()
      assert.equal((await lab.memory.list()).length, 1)
      assert.deepEqual(lab.store.instances.ofProject(project.id, 'retiring'), [])
    },
  )
})

test('a death right after the commit point: the new release serves and the old one ends', async () => {
  await afterDeath(
    async (lab, project) => {
      lab.faults.stop = () => Promise.reject(new Error('dead'))
      await lab.deploy(project, lab.commit(revisionOf('b')))
      await lab.settled()
      delete lab.faults.stop
      const old = lab.router.applied().at(-2)
      assert.ok(old)
      const { version = 0 } = lab.router.table() ?? {}
      // the front door never heard of it
      await lab.router.apply({ ...old, version: version + 1 })
      lab.store.settings.next('routes')
      assert.equal(await lab.visit('shop.localhost'), '200 v1')
    },
    async (lab) => {
      assert.equal(await lab.visit('shop.localhost'), '200 v2')
      await lab.settled()
      assert.deepEqual(
        (await lab.memory.list()).map(({ release }) => release),
        [2],
      )
    },
  )
})

test('a process that should run and does not is started once, on its port and with its config vars', async () => {
  let serving: number[] = []
  await afterDeath(
    async (lab, project) => {
      await lab.engine.configVars.put(project, { COLOUR: 'blue' }, true, { who: ada })
      await lab.settled()
      serving = await generations(lab)
      await lab.memory.shutdown()
      await lab.memory.connect()
    },
    async (lab, project) => {
      assert.deepEqual(await generations(lab), serving)
      assert.equal(await lab.visit('shop.localhost'), '200 v2')
      const [row] = lab.store.instances.ofProject(project.id)
      const [instance] = await lab.memory.list()
      assert.ok(row && instance)
      const spec = lab.memory.specOf(instance, 1)
      assert.equal(spec?.port, row.port)
      assert.equal(spec?.env.COLOUR, 'blue')
      assert.equal(spec?.env.NODEPILOT_RELEASE, 'v2')
    },
  )
})

test('after the loss of the process manager orphans end and everything runs once', async () => {
  const lab = await createLab()
  try {
    for (const name of ['shop', 'blog']) {
      await lab.deploy(await lab.project(name), lab.commit(revisionOf('a')))
    }
    await lab.settled()
    const before = await generations(lab)
    lab.memory.lose()
    await lab.memory.connect()
    await lab.engine.mend()
    assert.deepEqual((await generations(lab)).sort(), before.sort())
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
    assert.equal(await lab.visit('blog.localhost'), '200 v1')
    assert.ok(lab.reports.includes('2 orphaned processes ended'))
  } finally {
    await lab.close()
  }
})

test('losses of the process manager that cross leave every process where its row says', async () => {
  const lab = await createLab()
  try {
    const project = await lab.project()
    await lab.deploy(project, lab.commit(revisionOf('a')))
    const port = () => lab.store.instances.ofProject(project.id)[0]?.port
    const before = port()
    lab.memory.lose()
    await lab.memory.connect()
    await lab.memory.endOrphans()
    await Promise.all([lab.engine.mend(), lab.engine.mend()])
    await lab.engine.applyRoutes()
    assert.equal(port(), before)
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
  } finally {
    await lab.close()
  }
})

test('a process that listens elsewhere than its row says is found there', async () => {
  const lab = await createLab()
  try {
    const project = await lab.project()
    await lab.deploy(project, lab.commit(revisionOf('a')))
    const [row] = lab.store.instances.ofProject(project.id)
    assert.ok(row?.port)
    lab.store.instances.movePort(row, row.port + 1)
    const running = await generations(lab)
    await lab.engine.mend()
    await lab.engine.applyRoutes()
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
    assert.equal(lab.store.instances.ofProject(project.id)[0]?.port, row.port)
    assert.deepEqual(await generations(lab), running)
  } finally {
    await lab.close()
  }
})

test('a stopped project stays stopped', async () => {
  await afterDeath(
    async (lab, project) => lab.engine.processes.stop(project, ada),
    async (lab) => {
      assert.deepEqual(await lab.memory.list(), [])
      assert.equal(lab.router.route('shop.localhost')?.state, 'stopped')
    },
  )
})

test('processes that no row knows are ended: of a deleted project, or of an unknown generation', async () => {
  await afterDeath(
    async (lab) => {
      await lab.memory.start(groupOf('shop', 77_777_777))
      await lab.memory.start(groupOf('gone', 77_777_778))
    },
    async (lab) => {
      assert.deepEqual(
        (await lab.memory.list()).map(({ project, release }) => `${project} v${release}`),
        ['shop v1'],
      )
    },
  )
})

test('half-made directories and uploads of a dead server are removed, kept releases are not', async () => {
  await afterDeath(
    async (lab, project) => {
      await lab.engine.releases.rollback(project, { release: 1 }, { who: ada })
      await lab.settled()
      const releases = lab.paths.releases('shop')
      await mkdir(path.join(releases, '.making-4711', 'node_modules'), { recursive: true })
      await mkdir(path.join(releases, '9'))
      await symlink('9', path.join(releases, '10'))
      await mkdir(lab.paths.uploads, { recursive: true })
      await writeFile(path.join(lab.paths.uploads, 'half'), 'x')
      await mkdir(path.join(lab.paths.fetches, 'fetch-x'), { recursive: true })
      await writeFile(path.join(lab.paths.fetches, 'fetch-x', 'key'), 'of a fetch that was killed')
    },
    async (lab) => {
      assert.deepEqual(await lab.releasesOnDisk('shop'), ['1', '2'])
      await assert.rejects(access(lab.paths.uploads))
      await assert.rejects(access(lab.paths.fetches))
      assert.equal(await lab.visit('shop.localhost'), '200 v2')
    },
  )
})

test('a deletion that was interrupted is carried on to the end', async () => {
  const lab = await createLab()
  try {
    const project = await lab.project()
    await lab.deploy(project, lab.commit(revisionOf('a')))
    await lab.settled()
    lab.faults.removeRepository = () => Promise.reject(new Error('dead'))
    await lab.engine.projects.remove(project, ada)
    await lab.memory.start(groupOf('shop', 77_777_777))
    await assert.rejects(lab.project(), /there is a project shop already/)

    delete lab.faults.removeRepository
    await lab.restart().reconcile()
    assert.deepEqual(await lab.memory.list(), [])
    assert.ok(lab.forgotten.includes('shop'))
    await assert.rejects(lab.releasesOnDisk('shop'), { code: 'ENOENT' })
    assert.equal(lab.router.route('shop.localhost'), undefined)
    assert.equal((await lab.project()).name, 'shop')
  } finally {
    await lab.close()
  }
})

test('one project that cannot be started again does not keep the others down', async () => {
  const lab = await createLab()
  try {
    for (const name of ['shop', 'blog']) {
      await lab.deploy(await lab.project(name), lab.commit(revisionOf('a')))
    }
    await lab.settled()
    await lab.memory.shutdown()
    await lab.memory.connect()
    lab.faults.start = async ({ project }) => {
      if (project === 'blog') throw new Error('its directory is gone')
    }
    await lab.restart().reconcile()
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
    assert.ok(lab.reports.some((line) => line.startsWith('blog could not be started: web.1')))
  } finally {
    await lab.close()
  }
})

test('hundreds of leftovers are put right in one start', async () => {
  await afterDeath(
    async (lab, project) => {
      for (let i = 0; i < 100; i++) {
        addRow(lab, project, i % 2 ? 'candidate' : 'retiring', 1)
        await lab.memory.start(groupOf('gone', 60_000_000 + i))
      }
    },
    async (lab, project) => {
      await lab.settled()
      assert.equal((await lab.memory.list()).length, 1)
      assert.equal(lab.store.instances.ofProject(project.id).length, 1)
    },
  )
})

test('a release that goes live while strangers are being ended is not taken for one that is missing', async () => {
  await afterDeath(
    async () => {},
    async (lab, project) => {
      const stranger = groupOf('ghost', 1_000_000, 1)
      await lab.memory.start(stranger)
      lab.faults.stop = async ({ project: name }) => {
        if (name === stranger.project) await lab.deploy(project, lab.commit(revisionOf('b')))
      }
      await lab.engine.mend()
      await lab.engine.applyRoutes()
      assert.equal(await lab.visit('shop.localhost'), '200 v2')
    },
  )
})

test("static files that an older version served by a process are the front door's after the start", async () => {
  let old = 0
  await afterDeath(
    async (lab, project) => {
      const page = [{ path: 'index.html', data: '<p>hello</p>' }]
      await lab.deploy(project, lab.commit(revisionOf('b'), page))
      await lab.settled()
      // as the older version had written it down
      lab.db.prepare("UPDATE releases SET plan = '{}', command = 'nodepilot-static .' WHERE number = 2").run()
      await rm(path.join(lab.paths.release('shop', 2), '.nodepilot-static'), { recursive: true })
      old = addRow(lab, project, 'serving')
      await lab.memory.start(groupOf('shop', old))
    },
    async (lab, project) => {
      const route = lab.router.route('shop.localhost')
      assert.ok(route?.static)
      assert.deepEqual(route.endpoints, [])
      assert.deepEqual(await lab.router.look(route.static, '/'), { status: 200 })
      await until('its process is gone', async () => (await generations(lab)).length === 0)
      await until('and forgotten', () => lab.store.instances.ofProject(project.id).length === 0)
      assert.equal((await lab.engine.projects.show(project)).project.status, 'running')
    },
  )
})

test('a server that starts with its clock a day ahead or behind restarts nothing, and deploys go on', async () => {
  const lab = await createLab()
  try {
    const project = await lab.project()
    await lab.deploy(project, lab.commit(revisionOf('a')))
    await lab.settled()
    const before = await lab.memory.list()
    for (const [at, days] of [1, -1].entries()) {
      const clock = () => Date.now() + days * 86_400_000
      await lab.restart({ ...lab.deps, clock }).reconcile()
      if (at === 0) assert.deepEqual(await lab.memory.list(), before)
      await lab.deploy(project, lab.commit(revisionOf('b')))
      assert.equal(await lab.visit('shop.localhost'), `200 v${at + 2}`)
      await lab.engine.close()
    }
  } finally {
    await lab.close()
  }
})
