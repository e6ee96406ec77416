import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { ada, createLab, type Lab, revisionOf } from '../../testing/engine-lab.ts'
import { until } from '../../testing/until.ts'
import type { ProjectRow } from '../store/projects.ts'

async function withProject(work: (lab: Lab, project: ProjectRow) => Promise<void>): Promise<void> {
  const lab = await createLab()
  try {
    await work(lab, await lab.project())
  } finally {
    await lab.close()
  }
}

/** The port that the next generation would take first. */
const nextPort = (lab: Lab) => {
  const generation = Number(lab.store.settings.get('generation')) + 1
  return 20_000 + ((crc32(lab.home) + generation * 7) % 12_000)
}

const listenOn = (port: number, host: string) =>
  new Promise<net.Server>((resolve, reject) => {
    const server = net.createServer()
    server.once('error', reject)
    server.listen(port, host, () => resolve(server))
  })

test('a port that somebody else listens on is passed over', async () => {
  await withProject(async (lab, project) => {
    const wanted = nextPort(lab)
    const squatter = await listenOn(wanted, '127.0.0.1')
    await lab.deploy(project, lab.commit(revisionOf('a')))
    squatter.close()
    const [row] = lab.store.instances.ofProject(project.id)
    assert.equal(row?.port, wanted + 1)
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
  })
})

test('a port that another project holds in the table is passed over, though nothing listens there', async () => {
  await withProject(async (lab, project) => {
    const other = await lab.project('blog')
    const wanted = nextPort(lab)
    lab.store.instances.create({
      projectId: other.id,
      release: 1,
      type: 'web',
      position: 1,
      generation: 0,
      slug: 1,
      port: wanted,
      state: 'retiring',
    })
    await lab.deploy(project, lab.commit(revisionOf('a')))
    assert.equal(lab.store.instances.ofProject(project.id)[0]?.port, wanted + 1)
  })
})

test("the project's own port is taken while it is free, and the new release gets another beside it", async () => {
  await withProject(async (lab, project) => {
    const free = await listenOn(0, '127.0.0.1')
    const { port } = free.address() as net.AddressInfo
    await new Promise((resolve) => free.close(resolve))
    await lab.engine.projects.change(project, { port }, ada)
    await lab.deploy(project, lab.commit(revisionOf('a')))
    assert.equal(lab.store.instances.ofProject(project.id)[0]?.port, port)
    const proven = await lab.prove(project, lab.commit(revisionOf('b')))
    const [candidate] = lab.store.instances.ofProject(project.id, 'candidate')
    assert.ok(candidate?.port && candidate.port !== port)
    await proven.goLive()
  })
})

test('an app gets what the contract says and nothing of the server', async () => {
  await withProject(async (lab, project) => {
    await lab.engine.projects.change(project, { envVars: { COLOUR: 'blue', NODE_ENV: 'staging' } }, ada)
    await lab.deploy(project, lab.commit(revisionOf('a')))
    const [instance] = await lab.memory.list()
    const [row] = lab.store.instances.ofProject(project.id)
    assert.ok(instance && row)
    const spec = lab.memory.specOf(instance, 1)
    assert.deepEqual(spec?.env, {
      PATH: `${lab.paths.release('shop', 1)}/node_modules/.bin:${process.env.PATH}`,
      LANG: 'C.UTF-8',
      HOME: lab.paths.data('shop'),
      NODE_ENV: 'staging',
      COLOUR: 'blue',
      PORT: String(row.port),
      NODEPILOT_PROJECT: 'shop',
      NODEPILOT_RELEASE: 'v1',
      NODEPILOT_INSTANCE: 'web.1',
      NODEPILOT_DATA_DIR: lab.paths.data('shop'),
    })
  })
})

test('an app whose port is answered by a stranger is not believed, and the next try gets another port', async () => {
  await withProject(async (lab, project) => {
    const strangers: net.Server[] = []
    let starts = 0
    lab.faults.app = () => (starts++ === 0 ? { does: 'stay silent' } : { does: 'answer' })
    lab.faults.start = async (group) => {
      const port = group.instances[0]?.port
      if (starts === 0 && port) strangers.push(await listenOn(port, '127.0.0.1'))
    }
    await lab.deploy(project, lab.commit(revisionOf('a')))
    for (const stranger of strangers) stranger.close()
    assert.equal(starts, 2)
    assert.equal(await lab.visit('shop.localhost'), '200 v1')
    assert.ok(lab.reports.some((line) => /port \d+ was meant for process/.test(line)))
  })
})

test('a runtime that is lost while a candidate starts, or goes up to more instances, does not fail it', async () => {
  await withProject(async (lab, project) => {
    await lab.deploy(project, lab.commit(revisionOf('a')))
    let losses = 0
    lab.faults.app = () => {
      if (losses++ > 0) return { does: 'answer' }
      setTimeout(() => lab.memory.lose(), 20)
      return { does: 'stay silent' }
    }
    await lab.deploy(project, lab.commit(revisionOf('b')))
    assert.equal(losses, 2)
    assert.equal(await lab.visit('shop.localhost'), '200 v2')
    await lab.settled()

    losses = 0
    await lab.engine.processes.scale(lab.engine.projects.get('shop'), { web: 2 }, ada)
    await lab.settled()
    assert.deepEqual(
      lab.store.instances.ofProject(project.id).map(({ position, state }) => [position, state]),
      [
        [1, 'serving'],
        [2, 'serving'],
      ],
    )
  })
})

test('a candidate that cannot be ended at once is ended behind', async () => {
  await withProject(async (lab, project) => {
    lab.faults.app = () => ({ does: 'crash', code: 1, says: ['no'] })
    let ill = true
    lab.faults.stop = async () => {
      if (ill) throw new Error('not now')
    }
    await assert.rejects(lab.deploy(project, lab.commit(revisionOf('a'))), { name: 'DeploymentFailed' })
    assert.deepEqual(
      lab.store.instances.ofProject(project.id).map(({ state }) => state),
      ['retiring'],
    )
    ill = false
    await until('it to be ended', () => lab.store.instances.ofProject(project.id).length === 0)
    assert.deepEqual(await lab.memory.list(), [])
  })
})
