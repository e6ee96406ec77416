import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import { ask } from '../testing/ask.ts'
import { type Caddy, startCaddy } from '../testing/caddy.ts'
import { startLoad } from '../testing/load.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

const domain = 'pilot.localhost'
const leastMs = 20_000

describe('deploys behind the real Caddy', { timeout: 240_000 }, () => {
  let pilot: Pilot
  let caddy: Caddy
  let tree: WorkTree

  before(async () => {
    pilot = await startPilot({
      env: { NODEPILOT_BASE_DOMAIN: domain, NODEPILOT_TRUSTED_PROXY: '127.0.0.1' },
    })
    caddy = await startCaddy({ domain, upstream: pilot.url })
    tree = await workTree(hello('1'))
    assert.equal((await push()).code, 0)
  })
  after(async () => {
    await tree?.remove()
    await caddy?.stop()
    await pilot?.stop()
  })

  const push = () =>
    tree.push(
      `https://admin:${encodeURIComponent(pilot.password)}@${domain}:${caddy.httpsPort}/git/shop.git`,
      'main',
      {
        config: [`http.curloptResolve=${domain}:${caddy.httpsPort}:127.0.0.1`],
        env: { GIT_SSL_CAINFO: caddy.authorityFile },
      },
    )
  const load = () =>
    startLoad({ host: `shop.${domain}`, port: caddy.httpsPort, ca: caddy.authority, rate: 200 })
  const visit = (host: string, path = '/') =>
    ask(`https://127.0.0.1:${caddy.httpsPort}`, path, { host, ca: caddy.authority })

  test('no request of 200 a second is lost over four pushes, a rollback and a restart', async () => {
    const began = performance.now()
    const under = load()
    await under.answered(100)
    for (const version of ['2', '3', '4', '5']) {
      await tree.commit(hello(version))
      const pushed = await push()
      assert.equal(pushed.code, 0, pushed.all)
    }
    const back = await pilot.api('/api/project/shop/rollback', { method: 'POST', body: { release: 3 } })
    assert.equal(back.status, 200, back.text)
    assert.equal((await pilot.api('/api/project/shop/restart', { method: 'POST' })).status, 200)
    do await under.answered(100)
    while (performance.now() - began < leastMs)
    const report = await under.stop()
    assert.equal(report.lostCount, 0, JSON.stringify(report))
    assert.ok(report.ok > 3_000, `${report.ok} answers`)
    assert.deepEqual([...report.bodies.keys()].sort(), ['1', '2', '3', '4', '5'])
    assert.equal((await visit(`shop.${domain}`)).text, '3')
  })

  test('a Caddy that is killed takes nothing with it, and goes on with its certificates when it is back', async () => {
    const direct = () => ask(pilot.url, '/', { host: `shop.${domain}` })
    const before = (await pilot.api('/api/project/shop')).json<{
      project: { instances: { pid: number }[] }
    }>()
    await caddy.kill()
    await assert.rejects(visit(`shop.${domain}`))
    assert.equal((await direct()).text, '3')
    const asked = /certificate obtained successfully/g
    const made = caddy.log().match(asked)?.length ?? 0
    assert.ok(made > 0)
    await caddy.start()
    assert.equal((await visit(`shop.${domain}`)).text, '3')
    assert.equal((await visit(domain, '/health')).status, 200)
    assert.equal(caddy.log().match(asked)?.length, made)
    const now = (await pilot.api('/api/project/shop')).json<{ project: { instances: { pid: number }[] } }>()
    assert.deepEqual(
      now.project.instances.map(({ pid }) => pid),
      before.project.instances.map(({ pid }) => pid),
    )
    await tree.commit(hello('6'))
    assert.equal((await push()).code, 0)
    assert.equal((await visit(`shop.${domain}`)).text, '6')
  })
})
