import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../testing/temporary.ts'
import { isRefusal } from '../domain/refusal.ts'
import type { Endpoint, Route, Router, RouteTable } from '../ports.ts'

/** What a driver of the Router port brings to be tested. Everything it starts ends with the test. */
export interface RouterHarness {
  readonly router: Router
  /** A new endpoint that can take traffic. */
  endpoint(): Promise<Endpoint>
  /** Who answers a request to a host now: the port of an endpoint, or the router itself. */
  ask(host: string): Promise<number | 'not found' | 'unavailable'>
  /** Puts a request to a host under way; the returned function ends it. */
  begin(host: string): Promise<() => void>
}

/** The promises of the Router port. Every driver keeps them. */
export function testRouter(name: string, start: (t: TestContext) => Promise<RouterHarness>): void {
  test(`${name}: a table is in force as soon as apply resolves`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    await router.check()
    const [one, two] = [await endpoint(), await endpoint()]
    await router.apply(table(1, route('shop', [one]), route('blog', [two])))
    assert.deepEqual([await ask('shop.localhost'), await ask('blog.localhost')], [one.port, two.port])
    await router.apply(table(2, route('shop', [two])))
    assert.deepEqual([await ask('shop.localhost'), await ask('blog.localhost')], [two.port, 'not found'])
  })

  test(`${name}: hosts are found in any case`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    const one = await endpoint()
    await router.apply(table(1, { ...route('shop', [one]), hosts: ['shop.localhost', 'shop.example'] }))
    assert.deepEqual([await ask('SHOP.localhost'), await ask('Shop.Example')], [one.port, one.port])
  })

  test(`${name}: a stopped project and one without endpoints are unavailable, not unknown`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    const stopped: Route = { ...route('off', [await endpoint()]), state: 'stopped' }
    await router.apply(table(1, stopped, route('empty', [])))
    assert.deepEqual(
      [await ask('off.localhost'), await ask('empty.localhost')],
      ['unavailable', 'unavailable'],
    )
  })

  test(`${name}: an older table is refused and the newer one stays in force`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    const one = await endpoint()
    await router.apply(table(5, route('shop', [one])))
    await assert.rejects(router.apply(table(4)), (error) => isRefusal(error, 'conflict'))
    await assert.rejects(router.apply(table(5)), (error) => isRefusal(error, 'conflict'))
    assert.equal(await ask('shop.localhost'), one.port)
  })

  test(`${name}: the same table may be applied again, as after a lost answer`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    const again = table(3, route('shop', [await endpoint()]))
    await router.apply(again)
    await router.apply(structuredClone(again))
    assert.equal(typeof (await ask('shop.localhost')), 'number')
  })

  test(`${name}: a table in which two projects claim one host is refused whole`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    const one = await endpoint()
    const claimed = { ...route('blog', [one]), hosts: ['blog.localhost', 'shop.localhost'] }
    const both = table(1, route('shop', [one]), claimed)
    await assert.rejects(router.apply(both), (error) => isRefusal(error, 'invalid'))
    assert.equal(await ask('shop.localhost'), 'not found')
    await router.apply(table(1, route('shop', [one])))
    assert.equal(await ask('shop.localhost'), one.port)
  })

  test(`${name}: a drain of endpoints without traffic resolves at once`, async (t) => {
    const { router, endpoint } = await start(t)
    const one = await endpoint()
    await router.apply(table(1, route('shop', [one])))
    assert.deepEqual(await router.drain([one], 60_000), { left: 0 })
    assert.deepEqual(await router.drain([{ host: '127.0.0.1', port: 1 }], 60_000), { left: 0 })
    assert.deepEqual(await router.drain([], 60_000), { left: 0 })
  })

  test(`${name}: a drain waits for the requests under way, and only for those of its endpoints`, async (t) => {
    const { router, begin, endpoint } = await start(t)
    const [one, two] = [await endpoint(), await endpoint()]
    await router.apply(table(1, route('shop', [one]), route('blog', [two])))
    const ends = [await begin('shop.localhost'), await begin('shop.localhost')]
    const other = await begin('blog.localhost')
    await router.apply(table(2, route('blog', [two])))
    let drained = false
    const drain = router.drain([one], 60_000).finally(() => {
      drained = true
    })
    assert.deepEqual(await router.drain([one], 50), { left: 2 })
    ends[0]?.()
    assert.deepEqual(await router.drain([one], 50), { left: 1 })
    assert.equal(drained, false)
    ends[1]?.()
    assert.deepEqual(await drain, { left: 0 })
    other()
  })

  test(`${name}: requests of a held project wait, and go where the table leads when the hold ends`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    const [one, two] = [await endpoint(), await endpoint()]
    await router.apply(table(1, route('shop', [one]), route('blog', [one])))
    await router.hold('shop', 60_000)
    let answered = 0
    const waiting = [1, 2, 3].map(() => ask('shop.localhost').finally(() => answered++))
    await router.apply(table(2, route('shop', [two]), route('blog', [one])))
    assert.equal(await ask('blog.localhost'), one.port)
    assert.equal(answered, 0)
    await router.hold('shop', 0)
    assert.deepEqual(await Promise.all(waiting), [two.port, two.port, two.port])
    assert.equal(await ask('shop.localhost'), two.port)
  })

  test(`${name}: a hold that nobody ends answers unavailable after its time, until it is ended`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    const one = await endpoint()
    await router.apply(table(1, route('shop', [one])))
    await router.hold('shop', 60)
    assert.equal(await ask('shop.localhost'), 'unavailable')
    assert.equal(await ask('shop.localhost'), 'unavailable')
    await router.hold('shop', 0)
    assert.equal(await ask('shop.localhost'), one.port)
  })

  test(`${name}: requests of a sleeping project wait, ask once for it, and go on when it is awake`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    const [one, asked] = [await endpoint(), askedFor(t, router)]
    await router.apply(table(1, sleeping('shop'), sleeping('blog')))
    const waiting = [ask('shop.localhost')]
    assert.equal(await asked.next(), 'shop')
    waiting.push(ask('shop.localhost'), ask('shop.localhost'))
    const blog = ask('blog.localhost')
    assert.equal(await asked.next(), 'blog')
    await router.apply(table(2, route('shop', [one]), sleeping('blog')))
    assert.deepEqual(await Promise.all(waiting), [one.port, one.port, one.port])
    await router.apply(table(3, route('shop', [one])))
    assert.equal(await blog, 'not found')
    assert.deepEqual(asked.all, ['shop', 'blog'])
  })

  test(`${name}: a project that cannot be woken is unavailable at once, and the next request asks anew`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    const [one, asked] = [await endpoint(), askedFor(t, router)]
    await router.apply(table(1, sleeping('shop')))
    const refused = ask('shop.localhost')
    assert.equal(await asked.next(), 'shop')
    assert.deepEqual(await router.refuseWake('shop', { sentence: 'It crashed.', retryAfterS: 3 }), {
      waiting: 1,
    })
    assert.equal(await refused, 'unavailable')
    const again = ask('shop.localhost')
    assert.equal(await asked.next(), 'shop')
    await router.apply(table(2, route('shop', [one])))
    assert.equal(await again, one.port)
    assert.deepEqual(await router.refuseWake('shop', { sentence: 'Late.', retryAfterS: 3 }), { waiting: 0 })
    assert.equal(await ask('shop.localhost'), one.port)
  })

  test(`${name}: who begins to listen is told of those that wait already, and not after it has stopped`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    const one = await endpoint()
    await router.apply(table(1, sleeping('shop'), sleeping('blog')))
    const first = askedFor(t, router)
    const waiting = [ask('shop.localhost')]
    assert.equal(await first.next(), 'shop')
    first.stop()
    const second = askedFor(t, router)
    assert.equal(await second.next(), 'shop')
    waiting.push(ask('blog.localhost'))
    assert.equal(await second.next(), 'blog')
    assert.deepEqual(first.all, ['shop'])
    await router.apply(table(2, route('shop', [one]), route('blog', [one])))
    assert.deepEqual(await Promise.all(waiting), [one.port, one.port])
  })

  test(`${name}: what files would answer is known before they have a route`, async (t) => {
    const { router } = await start(t)
    const directory = await temporaryDirectory('site')
    t.after(() => removeDirectory(directory))
    const index = path.join(directory, 'list.json')
    const page = { type: 'text/html', hash: 'a'.repeat(32), encodings: [] }
    await writeFile(index, JSON.stringify({ files: { 'index.html': page, 'docs/index.html': page } }))
    const files = { directory, within: directory, index, spa: false }
    const statuses = await Promise.all(['/', '/docs', '/no'].map((target) => router.look(files, target)))
    assert.deepEqual(statuses, [{ status: 200 }, { status: 301 }, { status: 404 }])
    assert.deepEqual(await router.look({ ...files, spa: true }, '/no'), { status: 200 })
    const gone = router.look({ ...files, index: `${index}.gone` }, '/')
    await assert.rejects(gone, (error) => isRefusal(error, 'invalid'))
    const outside = router.look({ ...files, within: path.join(directory, 'docs') }, '/')
    await assert.rejects(outside, (error) => isRefusal(error, 'invalid'))
  })

  test(`${name}: requests are counted for the release that answered them`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    const one = await endpoint()
    await router.apply(table(1, route('shop', [one]), route('blog', [one])))
    for (const host of ['shop.localhost', 'shop.localhost', 'blog.localhost', 'other.localhost'])
      await ask(host)
    await router.apply(table(2, { ...route('shop', [one]), release: 2 }, route('blog', [one])))
    await ask('shop.localhost')
    const { since, projects } = await counted(router, 4)
    assert.ok(Number.isFinite(Date.parse(since)), since)
    const found = projects.map(({ project, release, requests, open }) => [project, release, requests, open])
    assert.deepEqual(found.sort(), [
      ['blog', 1, 1, 0],
      ['shop', 1, 2, 0],
      ['shop', 2, 1, 0],
    ])
    for (const { requests, statuses, latency, bytesIn, bytesOut, sumMs } of projects) {
      assert.deepEqual(statuses, [0, 0, requests, 0, 0, 0])
      assert.equal(
        latency.reduce((sum, [, count]) => sum + count, 0),
        requests,
      )
      assert.ok(bytesIn > 0 && bytesOut > 0 && sumMs > 0)
    }
  })

  test(`${name}: the numbers of a project that is gone are gone, those of old releases are added up`, async (t) => {
    const { router, ask, endpoint } = await start(t)
    const one = await endpoint()
    for (let release = 1; release <= 9; release++) {
      await router.apply(table(release, { ...route('shop', [one]), release }, route('blog', [one])))
      await ask('shop.localhost')
      await ask('blog.localhost')
    }
    await counted(router, 18)
    await router.apply(table(10, { ...route('shop', [one]), release: 10 }))
    const { projects } = await router.traffic()
    assert.ok(projects.every(({ project }) => project === 'shop'))
    assert.deepEqual(projects.map(({ release }) => release).sort(), [5, 6, 7, 8, 9, null])
    assert.equal(
      projects.reduce((sum, { requests }) => sum + requests, 0),
      9,
    )
  })
}

/** The report, once it holds this many requests: a client has its answer a moment before it is counted. */
async function counted(router: Router, requests: number) {
  for (let tries = 0; ; tries++) {
    const report = await router.traffic()
    const sum = report.projects.reduce((total, counts) => total + counts.requests, 0)
    if (sum >= requests || tries > 500) return report
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** What the router asks for, in turn. */
function askedFor(t: TestContext, router: Router) {
  const all: string[] = []
  const heard = new EventEmitter()
  const stop = router.onWake((project) => {
    all.push(project)
    heard.emit('wake')
  })
  t.after(stop)
  let read = 0
  const next = async () => {
    while (all.length === read) await once(heard, 'wake')
    return all[read++]
  }
  return { all, next, stop }
}

const sleeping = (project: string): Route => ({ ...route(project, []), state: 'sleeping' })

function table(version: number, ...routes: Route[]): RouteTable {
  return { version, baseDomain: 'localhost', routes }
}

function route(project: string, endpoints: readonly Endpoint[]): Route {
  return {
    hosts: [`${project}.localhost`],
    project,
    release: 1,
    state: 'running',
    endpoints: endpoints.map(({ host, port }) => ({ host, port })),
  }
}
