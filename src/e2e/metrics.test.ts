import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

interface Metrics {
  readonly range: string
  readonly stepMs: number
  readonly times: readonly string[]
  readonly series: Readonly<Record<string, readonly (number | null)[]>>
  readonly deploys: readonly { readonly release: number; readonly number: number; readonly time: string }[]
}

/** Answers in 50 ms, with 500 below /broken. */
const app = `require('http').createServer((request, response) => setTimeout(() => {
  response.statusCode = request.url.startsWith('/broken') ? 500 : 200
  response.end('shop')
}, request.url === '/' ? 0 : 50)).listen(process.env.PORT)`

describe('metrics', { timeout: 180_000 }, () => {
  let pilot: Pilot
  let work: WorkTree

  before(async () => {
    pilot = await startPilot()
    work = await workTree({ ...hello('shop'), 'server.js': app })
    assertLive(await work.push(pilot.remote('shop')), 1)
  })
  after(async () => {
    await pilot?.stop()
    await work?.remove()
  })

  const metrics = async (range = '1h', of = 'shop') => {
    const answer = await pilot.api(`/api/project/${of}/metrics?range=${range}`)
    assert.equal(answer.status, 200, answer.text)
    return answer.json<unknown>() as Metrics
  }
  const total = ({ series }: Metrics, name: string) =>
    (series[name] ?? []).reduce<number>((sum, value) => sum + (value ?? 0), 0)
  /** Until a look at the counters has seen so many requests. */
  const counted = (requests: number) =>
    until(
      'the requests are counted',
      async () => {
        const now = await metrics()
        return total(now, 'requests') >= requests && now
      },
      30_000,
    )

  test('requests, errors, answer times and memory of an app show within seconds, with its deployment', async () => {
    await until(
      'memory is measured',
      async () => (await metrics()).series.memoryBytes?.some((value) => value !== null),
      30_000,
    )
    const before = total(await metrics(), 'requests')
    for (let n = 0; n < 20; n++) await pilot.app('shop', n % 4 === 0 ? '/broken' : '/page')
    const shown = await counted(before + 20)
    assert.equal(total(shown, 'requests'), before + 20)
    assert.equal(total(shown, 'errors'), 5)
    const p95 = shown.series.p95Ms?.findLast((value) => value !== null) ?? 0
    assert.ok(p95 >= 45 && p95 < 20_000, `p95 ${p95}`)
    const memory = shown.series.memoryBytes?.findLast((value) => value !== null) ?? 0
    assert.ok(memory > 10e6 && memory < 500e6, `memory ${memory}`)
    assert.deepEqual(
      shown.deploys.map(({ release, number }) => [release, number]),
      [[1, 1]],
    )
    assert.equal(shown.times.length, 360)
    for (const values of Object.values(shown.series)) assert.equal(values.length, 360)
    for (const range of ['24h', '7d']) assert.equal(total(await metrics(range), 'requests'), before + 20)
  })

  test('a range that there is not is refused, and so is a project that there is not', async () => {
    assert.equal((await pilot.api('/api/project/shop/metrics?range=1y')).status, 422)
    assert.equal((await pilot.api('/api/project/none/metrics')).status, 404)
    assert.equal((await pilot.api('/api/project/shop/metrics', { token: null })).status, 401)
  })

  test('the machine and every process of NodePilot are told, with pids that live', async () => {
    const info = (await pilot.api('/api/system/info')).json<unknown>() as {
      home: string
      pm2: string
      cpu: object
    }
    assert.equal(info.home, pilot.home)
    assert.match(info.pm2, /^\d+\.\d+\.\d+/)
    const { processes } = (await pilot.api('/api/system/processes')).json<unknown>() as {
      processes: { kind: string; project: string | null; pid: number; memoryBytes: number; status: string }[]
    }
    assert.deepEqual(processes.map(({ kind }) => kind).sort(), ['instance', 'pm2', 'router', 'server'])
    for (const { pid, memoryBytes, status, kind } of processes) {
      assert.ok(process.kill(pid, 0), kind)
      assert.ok(memoryBytes > 5e6, `${kind} ${memoryBytes}`)
      assert.equal(status, 'online')
    }
    assert.equal(processes.find(({ kind }) => kind === 'server')?.pid, pilot.pid)
    const machine = (await pilot.api('/api/system/metrics')).json<unknown>() as Metrics & { cpu: number }
    assert.ok(machine.cpu >= 0 && machine.cpu <= 100)
    assert.ok((machine.series.memoryBytes?.findLast((value) => value !== null) ?? 0) > 0)
  })

  test('Prometheus reads counters that only rise, in its own format', async () => {
    const first = await scrape(pilot)
    await pilot.app('shop', '/page')
    await pilot.app('shop', '/broken')
    const second = await until('the error is counted', async () => {
      const now = await scrape(pilot)
      return now.get('nodepilot_http_requests_total{project="shop",code="5xx"}') ===
        (first.get('nodepilot_http_requests_total{project="shop",code="5xx"}') ?? 0) + 1
        ? now
        : null
    })
    for (const [key, value] of first) {
      if (/_total|_bucket|_sum|_count/.test(key)) assert.ok((second.get(key) ?? -1) >= value, key)
    }
    const buckets = [...second].filter(([key]) =>
      key.startsWith('nodepilot_http_request_duration_seconds_bucket'),
    )
    assert.ok(buckets.length > 10)
    assert.deepEqual(
      buckets.map(([, value]) => value),
      buckets.map(([, value]) => value).sort((a, b) => a - b),
    )
    assert.equal(
      buckets.at(-1)?.[1],
      second.get('nodepilot_http_request_duration_seconds_count{project="shop"}'),
    )
    assert.equal(second.get('nodepilot_deployments_total{project="shop",result="live"}'), 1)
    assert.equal(second.get('nodepilot_router_up'), 1)
    assert.equal((await pilot.api('/metrics', { token: null })).status, 401)
  })

  test('health is told without a sign-in, in the words of the contract', async () => {
    const answer = await pilot.api('/health', { token: null })
    assert.equal(answer.status, 200)
    const { status, checks } = answer.json()
    assert.deepEqual([status, checks], ['ok', { database: 'ok', runtime: 'ok', router: 'ok', disk: 'ok' }])
  })

  test('deployments of all projects are paged with a cursor, and narrowed to a project or a result', async () => {
    for (let n = 2; n <= 4; n++) {
      await work.commit({ 'note.txt': String(n) })
      assertLive(await work.push(pilot.remote('shop')), n)
    }
    const page = async (query: string) =>
      (await pilot.api(`/api/deployments${query}`)).json<unknown>() as {
        deployments: { number: number; project: string; status: string; steps: object[] }[]
        next: number | null
      }
    const first = await page('?limit=3')
    assert.deepEqual(
      first.deployments.map(({ project, number, status }) => [project, number, status]),
      [
        ['shop', 4, 'live'],
        ['shop', 3, 'retired'],
        ['shop', 2, 'retired'],
      ],
    )
    assert.ok(first.deployments.every(({ steps }) => steps.length === 5))
    const second = await page(`?limit=3&before=${first.next}`)
    assert.deepEqual([second.deployments.map(({ number }) => number), second.next], [[1], null])
    assert.equal((await page('?status=live&project=shop')).deployments.length, 1)
    assert.equal((await page('?status=failed')).deployments.length, 0)
    assert.equal((await pilot.api('/api/deployments?project=none')).status, 404)
  })

  test('the list answers 304 while nothing changes, and shows a stop at once', async () => {
    const first = await pilot.api('/api/project/list')
    const etag = String(first.headers.etag)
    const again = await pilot.api('/api/project/list', { headers: { 'if-none-match': etag } })
    assert.ok(again.status === 304 || again.headers.etag !== etag, `${again.status}`)
    await pilot.api('/api/project/shop/stop', { method: 'POST' })
    const after = await pilot.api('/api/project/list', { headers: { 'if-none-match': etag } })
    const [shop] = (after.json<unknown>() as { projects: { status: string; instances: object[] }[] }).projects
    assert.deepEqual([shop?.status, shop?.instances], ['stopped', []])
    await pilot.api('/api/project/shop/start', { method: 'POST' })
  })

  test('the last hour is there again after a restart of the server, and after a crash but for a minute', async () => {
    const before = total(await metrics(), 'requests')
    assert.ok(before >= 20)
    pilot.signal('SIGTERM')
    await pilot.exited()
    await pilot.start()
    const after = await metrics()
    assert.equal(total(after, 'requests'), before)
    assert.ok(total(after, 'errors') >= 5)
    assert.ok((after.series.p95Ms ?? []).some((value) => value !== null))
    await pilot.app('shop', '/page')
    await until(
      'it runs',
      async () =>
        (await pilot.api('/api/project/shop')).json<{ project: { instances: object[] } }>().project.instances
          .length > 0,
    )
    pilot.signal('SIGKILL')
    await pilot.exited()
    await pilot.start()
    assert.ok(total(await metrics(), 'requests') >= before)
  })

  test('a project that was removed and made again begins without numbers', async () => {
    assert.equal((await pilot.api('/api/project/shop', { method: 'DELETE' })).status, 204)
    await pilot.api('/api/project/create', { method: 'POST', body: { name: 'shop' } })
    const shown = await metrics()
    assert.equal(total(shown, 'memoryBytes'), 0)
    assert.deepEqual(shown.deploys, [])
  })
})

/** Every sample by its name and labels, in order. Fails on what Prometheus would not read. */
async function scrape(pilot: Pilot): Promise<Map<string, number>> {
  const answer = await pilot.api('/metrics')
  assert.equal(answer.status, 200, answer.text)
  assert.match(String(answer.headers['content-type']), /^text\/plain; version=0\.0\.4/)
  const samples = new Map<string, number>()
  const typed = new Set<string>()
  for (const line of answer.text.split('\n').slice(0, -1)) {
    const type = /^# TYPE ([a-z_0-9]+) (counter|gauge|histogram)$/.exec(line)
    if (type?.[1]) {
      assert.ok(!typed.has(type[1]), `${type[1]} twice`)
      typed.add(type[1])
    }
    if (line.startsWith('#')) continue
    const sample = /^([a-z_0-9]+)(\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\+Inf|-?[\d.e+-]+)$/.exec(
      line,
    )
    assert.ok(sample, line)
    const [, name = '', labels = '', value] = sample
    assert.ok(typed.has(name) || typed.has(name.replace(/_(bucket|sum|count)$/, '')), line)
    assert.ok(!samples.has(name + labels), `${line} twice`)
    samples.set(name + labels, Number(value))
  }
  return samples
}
