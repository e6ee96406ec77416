import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { app } from '../testing/apps.ts'
import { type CommandLine, commandLine } from '../testing/command-line.ts'
import { assertLive, assertRejected } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered } from '../testing/project.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

interface Shown {
  readonly name: string
  readonly branch: string
  readonly url: string
  readonly release: number | null
}

const files = (body: string, extra = '') => ({
  ...app(
    `${extra}require('node:http').createServer((q, s) => s.end(JSON.stringify({ body: '${body}',
      vars: process.env.TOKEN + ',' + process.env.MODE, preview: process.env.NODEPILOT_PREVIEW ?? null }))).listen(process.env.PORT)`,
  ),
  Procfile: 'web: node server.js\nworker: node -e "setInterval(() => {}, 1e6)"\n',
})

describe('previews', { timeout: 180_000 }, () => {
  let pilot: Pilot
  let user: CommandLine
  let tree: WorkTree
  const previews = async (name = 'shop') =>
    answered(await pilot.api(`/api/project/${name}/previews`)).json<{ previews: Shown[] }>().previews
  const set = async (settings: object) =>
    answered(await pilot.api('/api/project/shop', { method: 'PATCH', body: settings }))
  const seen = async (name: string) =>
    (await pilot.app(name)).json<{ body: string; vars: string; preview: string | null }>()
  const gone = (name: string) =>
    until(
      `${name} to be gone`,
      async () => (await pilot.api(`/api/project/${name}`)).status === 404 || undefined,
    )

  before(async () => {
    pilot = await startPilot()
    user = await commandLine()
    await user.login(pilot)
    tree = await workTree(files('main'))
    assertLive(await tree.push(pilot.remote('shop')), 1)
    const envVars = { TOKEN: 'of-shop', MODE: 'live' }
    answered(await pilot.api('/api/project/shop/env', { method: 'PATCH', body: { envVars } }))
  })
  after(async () => {
    await user?.remove()
    await tree?.remove()
    await pilot?.stop()
  })

  test('without the setting, another branch is stored and nothing else', async () => {
    const pushed = await tree.push(pilot.remote('shop'), 'main:feature')
    assert.equal(pushed.code, 0, pushed.all)
    assert.match(pushed.all, /stored feature/)
    assert.match(pushed.all, /hint: only main is deployed/)
    assert.deepEqual(await previews(), [])
    const deleted = await tree.push(pilot.remote('shop'), ':feature')
    assert.match(deleted.all, /removed feature/)
    assert.doesNotMatch(deleted.all, /hint|stored/)
  })

  test('with it, a push to another branch is live at an address of its own, with the config vars of the project', async () => {
    await set({ previews: true, previewMemoryMb: 200 })
    await tree.commit(files('feature'), 'Feature')
    const pushed = await tree.push(pilot.remote('shop'), 'HEAD:feature')
    assertLive(pushed, 1)
    assert.match(pushed.all, /App +http:\/\/feature--shop\.localhost:\d+/)
    assert.deepEqual(await seen('feature--shop'), {
      body: 'feature',
      vars: 'of-shop,live',
      preview: 'feature',
    })
    assert.deepEqual((await seen('shop')).body, 'main')
    assert.equal((await seen('shop')).preview, null)
    const [one] = await previews()
    assert.deepEqual([one?.name, one?.branch, one?.release], ['feature--shop', 'feature', 1])
    const { project } = answered(await pilot.api('/api/project/feature--shop')).json<{
      project: { previewOf: string; memoryLimitMb: number; processes: object; gitUrl: string }
    }>()
    assert.deepEqual(
      [project.previewOf, project.memoryLimitMb, project.processes],
      ['shop', 200, { web: 1, worker: 0 }],
    )
    assert.match(project.gitUrl, /\/git\/shop\.git$/)
    const listed = await user.run(['previews', 'shop'])
    assert.match(listed.out, /^feature +running, v1 +\d{4}-\d\d-\d\d +http:\/\/feature--shop\./m)
    const page = await pilot.api('/projects/shop', { headers: { accept: 'text/html' } })
    assert.ok([200, 302, 303, 401].includes(page.status))
  })

  test('a preview follows its project at the next push, but for what was set in the preview', async () => {
    const patch = async (name: string, envVars: object) =>
      answered(await pilot.api(`/api/project/${name}/env`, { method: 'PATCH', body: { envVars } }))
    await patch('feature--shop', { MODE: 'mine' })
    assert.equal((await seen('feature--shop')).vars, 'of-shop,mine')
    await patch('shop', { MODE: 'changed', TOKEN: 'changed' })
    assert.equal((await seen('feature--shop')).vars, 'of-shop,mine')
    await tree.commit(files('feature 2'), 'Feature 2')
    assertLive(await tree.push(pilot.remote('shop'), 'HEAD:feature'), 3)
    assert.deepEqual(await seen('feature--shop'), {
      body: 'feature 2',
      vars: 'changed,mine',
      preview: 'feature',
    })
  })

  test('what works on a project works on a preview: rollback, redeploy of a ref, restart', async () => {
    answered(await pilot.api('/api/project/feature--shop/rollback', { method: 'POST', body: {} }))
    assert.equal((await seen('feature--shop')).body, 'feature')
    const body = { ref: 'feature' }
    answered(await pilot.api('/api/project/feature--shop/deploy', { method: 'POST', body }))
    assert.equal((await seen('feature--shop')).body, 'feature 2')
    answered(await pilot.api('/api/project/feature--shop/restart', { method: 'POST' }))
    const direct = await tree.push(pilot.remote('feature--shop'))
    assert.notEqual(direct.code, 0)
    assert.match(direct.all, /403|preview of shop/)
  })

  test('a preview that fails rejects the push, and the one before serves on', async () => {
    await tree.commit(files('broken', 'process.exit(3);'), 'Break')
    assertRejected(await tree.push(pilot.remote('shop'), 'HEAD:feature'), 'boot_crashed')
    assert.equal((await seen('feature--shop')).body, 'feature 2')
    await tree.commit(files('feature 3'), 'Mend')
  })

  test('branches that look alike have previews of their own, a taken name and one too many are told', async () => {
    await set({ previewLimit: 3 })
    assertLive(await tree.push(pilot.remote('shop'), 'HEAD:refs/heads/Fix/One'), 1)
    assertLive(await tree.push(pilot.remote('shop'), 'HEAD:refs/heads/fix-one'), 1)
    assert.equal(new Set((await previews()).map(({ name }) => name)).size, 3)
    const more = await tree.push(pilot.remote('shop'), 'HEAD:refs/heads/more')
    assert.equal(more.code, 0, more.all)
    assert.match(more.all, /stored more/)
    assert.match(more.all, /warning: no preview of more: shop has 3 previews/)
    assert.doesNotMatch(more.all, /only main is deployed/)
    await set({ previewLimit: 9 })
    answered(await pilot.api('/api/project/create', { method: 'POST', body: { name: 'taken--shop' } }), 201)
    const taken = await tree.push(pilot.remote('shop'), 'HEAD:refs/heads/taken')
    assert.match(taken.all, /no preview of taken: there is a project taken--shop/)
    assert.equal(
      (await pilot.api('/api/project/taken--shop')).json<{ project: { previewOf: null } }>().project
        .previewOf,
      null,
    )
  })

  test('members of a project may in its previews what they may in the project, strangers nothing', async () => {
    for (const username of ['vera', 'otto']) {
      const body = { username, password: 'long enough for this', role: 'member' }
      answered(await pilot.api('/api/users', { method: 'POST', body }), 201)
    }
    answered(await pilot.api('/api/project/shop/members/vera', { method: 'PUT', body: { role: 'viewer' } }))
    const tokenOf = async (username: string) =>
      answered(
        await pilot.api('/api/auth/login', {
          method: 'POST',
          token: null,
          body: { username, password: 'long enough for this' },
        }),
      ).json<{ token: string }>().token
    const [vera, otto] = [await tokenOf('vera'), await tokenOf('otto')]
    const status = async (token: string, path: string, method = 'GET') =>
      (await pilot.api(`/api/project/feature--shop${path}`, { token, method })).status
    assert.deepEqual([await status(vera, ''), await status(vera, '/env')], [200, 403])
    assert.equal(await status(vera, '/restart', 'POST'), 403)
    assert.notEqual(await status(otto, ''), 200)
    const names = async (token: string) =>
      answered(await pilot.api('/api/project/list', { token }))
        .json<{ projects: { name: string }[] }>()
        .projects.map(({ name }) => name)
    assert.ok((await names(vera)).includes('feature--shop'))
    assert.deepEqual(await names(otto), [])
  })

  test('it goes with its branch, and with its project', async () => {
    const deleted = await tree.push(pilot.remote('shop'), ':feature')
    assert.equal(deleted.code, 0, deleted.all)
    await gone('feature--shop')
    assert.equal((await pilot.app('feature--shop')).status, 404)
    const left = await previews()
    assert.ok(left.length > 0)
    assert.equal((await pilot.api('/api/project/shop', { method: 'DELETE' })).status, 204)
    for (const { name } of left) await gone(name)
    assert.equal((await pilot.api('/api/project/taken--shop')).status, 200)
  })
})
