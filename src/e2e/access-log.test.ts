import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { hello } from '../testing/apps.ts'
import { ask } from '../testing/ask.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

interface Lines {
  readonly lines: readonly { readonly instance: string; readonly line: string }[]
}

describe('the access log', { timeout: 120_000 }, () => {
  let pilot: Pilot
  let work: WorkTree

  before(async () => {
    pilot = await startPilot()
    work = await workTree(hello('shop', 'console.log("the app was asked")'))
    assertLive(await work.push(pilot.remote('shop')), 1)
  })
  after(async () => {
    await pilot?.stop()
    await work?.remove()
  })

  const logs = async (query: string) =>
    (await pilot.api(`/api/project/shop/logs?lines=100${query}`)).json<Lines>().lines
  const set = async (accessLog: boolean) => {
    const changed = await pilot.api('/api/project/shop', { method: 'PATCH', body: { accessLog } })
    assert.equal(changed.status, 200, changed.text)
    assert.equal(changed.json<{ project: { accessLog: boolean } }>().project.accessLog, accessLog)
  }

  test('is read as process access, and not among what the app says', async () => {
    await pilot.app('shop', '/before')
    assert.deepEqual(await logs('&type=access'), [])
    await set(true)
    const found = await until('a line is there', async () => {
      await pilot.app('shop', '/cart?token=secret')
      const lines = await logs('&type=access')
      return lines.length > 0 && lines
    })
    assert.equal(found[0]?.instance, 'access.1')
    assert.match(found[0]?.line ?? '', /"GET \/cart HTTP\/1\.1" 200 /)
    const own = await until('what the app says', async () => {
      const lines = await logs('')
      return lines.length > 0 && lines
    })
    assert.ok(own.every(({ instance }) => instance === 'web.1'))
    const page = await ask(pilot.url, '/projects/shop/logs?type=access', {
      headers: { cookie: `nodepilot=${pilot.token}` },
    })
    assert.match(page.text, /<option selected>access<\/option>/)
    assert.match(page.text, /GET \/cart HTTP/)
    assert.doesNotMatch(page.text, /secret/)
  })
})
