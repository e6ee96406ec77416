import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { app } from '../testing/apps.ts'
import { ask } from '../testing/ask.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

/** Healthy at `/` whatever happens; `/work` answers with this status, and says its release and process. */
const working = (status: number) =>
  app(`require('node:http').createServer((q, s) => {
  if (q.url === '/work') s.statusCode = ${status}
  s.end(process.env.NODEPILOT_RELEASE + ' ' + process.pid)
}).listen(process.env.PORT)
`)

interface Compared {
  readonly number: number
  readonly status: string
  readonly by: string
  readonly release: number
  readonly comparison: {
    readonly state: string
    readonly verdict: string
    readonly reason: string
    readonly switchedBackBy: number | null
    readonly current: { readonly requests: number; readonly errors: number }
    readonly before: { readonly requests: number }
  } | null
}

interface Traffic {
  readonly releases: readonly {
    readonly release: number
    readonly current: boolean
    readonly since: string | null
    readonly requests: number
    readonly errors: number
    readonly p95Ms: number | null
    readonly statuses: Readonly<Record<string, number>>
  }[]
}

describe('the regression guard', { timeout: 240_000 }, () => {
  let home: string
  let pilot: Pilot
  let work: WorkTree

  before(async () => {
    home = await temporaryDirectory('guard')
    await writeFile(join(home, 'nodepilot.json'), JSON.stringify({ watchSeconds: 20 }))
    pilot = await startPilot({ home })
    work = await workTree(working(200))
    assertLive(await work.push(pilot.remote('shop')), 1)
    const changed = await pilot.api('/api/project/shop', { method: 'PATCH', body: { regressionGuard: true } })
    assert.equal(changed.status, 200, changed.text)
  })
  after(async () => {
    await pilot?.stop()
    await work?.remove()
    if (home) await removeDirectory(home)
  })

  const deployment = async (number: number) =>
    (await pilot.api(`/api/project/shop/deployments/${number}`)).json<{ deployment: Compared }>().deployment
  const page = async (path: string) =>
    (await ask(pilot.url, path, { headers: { cookie: `nodepilot=${pilot.token}` } })).text.replace(
      /\s+/g,
      ' ',
    )

  test('a release that turns bad is switched back to the processes it replaced, without a lost request', async () => {
    const [, pid] = (await pilot.app('shop', '/work')).text.split(' ')
    const load = pilot.load('shop', { path: '/work', rate: 100, timeoutMs: 30_000 })
    await load.answered(200)
    await work.commit(working(500))
    assertLive(await work.push(pilot.remote('shop')), 2)
    const found = await until(
      'it is switched back',
      async () => {
        const now = await deployment(2)
        return now.comparison?.state === 'switched_back' && now
      },
      60_000,
    )
    await load.answered(100)
    const report = await load.stop()
    assert.deepEqual(Object.keys(report.lost), ['500'])
    assert.equal(found.comparison?.verdict, 'worse')
    assert.match(found.comparison?.reason ?? '', /100 % of \d+ requests to v2 failed, and 0 % of \d+ to v1/)
    assert.equal((await pilot.app('shop', '/work')).text, `v1 ${pid}`)
    const back = await deployment(3)
    assert.deepEqual([back.status, back.release, back.by], ['live', 3, 'NodePilot'])
    const log = await pilot.api('/api/project/shop/deployments/2/log')
    assert.match(log.text, /warning: the regression guard switched back to v1, as v3 \(deployment 3\)/)
    const audit = (await pilot.api('/api/audit?action=release.guard')).text
    assert.match(audit, /release\.guard/)
  })

  test('the traffic of each release is told by API and panel', async () => {
    const { releases } = (await pilot.api('/api/project/shop/traffic')).json<Traffic>()
    assert.deepEqual(
      releases.map(({ release, current }) => [release, current]),
      [
        [3, true],
        [2, false],
        [1, false],
      ],
    )
    const [, bad, good] = releases
    assert.ok(bad && bad.errors > 0 && bad.errors === bad.statuses['5xx'] && bad.errors === bad.requests)
    assert.ok(good && good.errors === 0 && good.requests >= 200 && (good.p95Ms ?? 0) > 0)
    assert.ok(releases.every(({ since }) => since !== null))
    assert.match(await page('/projects/shop/metrics'), /By release.*v3.*live.*v2.*100 %.*v1/)
    assert.match(
      await page('/projects/shop'),
      /v2 was switched back to v1.*The regression guard did it: 100 %/,
    )
    assert.match(
      await page('/projects/shop/deploys/2'),
      /v2 beside v1.*The regression guard switched back to v1.*100 %/,
    )
  })

  test('the next push is told, and a good release ends its minute well and the kept processes with it', async () => {
    const load = pilot.load('shop', { path: '/work', rate: 50, timeoutMs: 30_000 })
    await work.commit({ ...working(200), 'note.txt': 'mended' })
    const pushed = await work.push(pilot.remote('shop'))
    assertLive(pushed, 4)
    assert.match(pushed.all, /warning: v2 was switched back to v1 by the regression guard/)
    const { comparison } = await until(
      'its minute is over',
      async () => {
        const now = await deployment(4)
        return now.comparison?.state !== 'watching' && now
      },
      60_000,
    )
    const report = await load.stop()
    assert.equal(report.lostCount, 0, JSON.stringify(report.lost))
    assert.deepEqual([comparison?.state, comparison?.verdict], ['done', 'not_worse'])
    await until('only the new one runs', async () => {
      const { processes } = (await pilot.api('/api/system/processes')).json<{
        processes: { kind: string; release: number | null }[]
      }>()
      return processes.filter(({ kind }) => kind === 'instance').every(({ release }) => release === 4)
    })
  })
})
