import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ada, createLab } from '../../testing/engine-lab.ts'
import type { TrafficReport } from '../ports.ts'
import { createReleaseTraffic } from './release-traffic.ts'

const report = (since: string, requests: number, release: number | null = 1): TrafficReport => ({
  since,
  projects: [
    {
      project: 'shop',
      release,
      requests,
      statuses: [0, 0, requests, 0, 0, 0],
      bytesIn: requests * 10,
      bytesOut: requests * 100,
      open: 1,
      sumMs: requests,
      latency: [[8, requests]],
    },
  ],
})

async function withTraffic(
  work: (tools: {
    readonly traffic: ReturnType<typeof createReleaseTraffic>
    readonly project: { readonly id: number; readonly name: string }
    /** What the front door says from now on; null: nothing. */
    says(report: TrafficReport | null): void
    pass(ms: number): void
  }) => Promise<void>,
): Promise<void> {
  const lab = await createLab()
  let now = 1_800_000_000_000
  let current: TrafficReport | null = null
  try {
    const project = await lab.engine.projects.create({ name: 'shop' }, ada)
    const router = { ...lab.router, traffic: async () => current ?? Promise.reject(new Error('away')) }
    const traffic = createReleaseTraffic({ store: lab.store, router, clock: () => now })
    const says = (next: TrafficReport | null) => {
      current = next
    }
    const pass = (ms: number) => {
      now += ms
    }
    await work({ traffic, project, says, pass })
  } finally {
    await lab.close()
  }
}

test('what earlier front doors counted is kept, and nothing is counted twice', () =>
  withTraffic(async ({ traffic, project, says }) => {
    const requests = async () => (await traffic.ofProject(project)).map(({ counts }) => counts.requests)
    says(report('a', 10))
    assert.deepEqual(await requests(), [10])
    traffic.save(report('a', 10))
    traffic.save(report('a', 12))
    says(report('a', 15))
    assert.deepEqual(await requests(), [15])
    says(report('b', 3))
    assert.deepEqual(await requests(), [15])
    traffic.save(report('b', 4))
    says(null)
    assert.deepEqual(await requests(), [16])
    const [found] = await traffic.ofProject(project)
    assert.deepEqual(found?.counts.statuses, [0, 0, 16, 0, 0, 0])
    assert.deepEqual(found?.counts.latency, [[8, 16]])
  }))

test('the last ten minutes are known once ten minutes were seen', () =>
  withTraffic(async ({ traffic, says, pass }) => {
    for (let minute = 0; minute <= 20; minute++) {
      traffic.note(report('a', minute * 100))
      pass(60_000)
    }
    says(report('a', 2_000))
    assert.equal((await traffic.recent('shop', 1))?.requests, 900)
    says(report('b', 5))
    assert.equal((await traffic.recent('shop', 1))?.requests, 5)
  }))

test('where the last ten minutes were too quiet to compare, all of it counts', () =>
  withTraffic(async ({ traffic, says, pass }) => {
    traffic.note(report('a', 1_000))
    pass(60_000)
    traffic.note(report('a', 1_010))
    says(report('a', 1_010))
    assert.equal((await traffic.recent('shop', 1))?.requests, 1_010)
  }))
