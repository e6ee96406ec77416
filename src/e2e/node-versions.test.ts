import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { app } from '../testing/apps.ts'
import { assertLive, assertRejected, remoteLines } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered } from '../testing/project.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

/** Says which Node installed, built, released and runs it. */
const server = `const { readFileSync } = require('node:fs')
const read = (file) => { try { return readFileSync(file, 'utf8').trim() } catch { return null } }
require('node:http').createServer((q, s) => s.end(JSON.stringify({
  runs: process.version, installed: read('installed'), built: read('built'), released: read('released'),
  path: process.env.PATH }))).listen(process.env.PORT)
`
const scripts = { postinstall: 'node -v >installed', build: 'node -v >built', start: 'node server.js' }
const asking = (engines?: string) => ({
  ...app(server, { scripts, ...(engines ? { engines: { node: engines } } : {}) }),
  Procfile: 'release: node -v >released\n',
})

interface Seen {
  readonly runs: string
  readonly installed: string | null
  readonly built: string | null
  readonly released: string | null
  readonly path: string
}

/** Nobody listens there. */
const away = { npm_config_registry: 'http://127.0.0.1:9/', npm_config_fetch_retries: '0' }

describe('the Node an app asks for', { timeout: 300_000 }, () => {
  let home: string
  let pilot: Pilot
  let work: WorkTree
  const seen = async () => (await pilot.app('picky')).json<Seen>()
  const kept = () => readdir(join(home, 'cache/node'))

  before(async () => {
    home = await temporaryDirectory('nodes')
    pilot = await startPilot({ home })
    work = await workTree({ ...asking(), '.nvmrc': 'v22.11\n' })
  })
  after(async () => {
    await pilot?.stop()
    await work?.remove()
    await removeDirectory(home)
  })

  test('is fetched from the registry and installs, builds, releases and runs it', async () => {
    const push = await work.push(pilot.remote('picky'))
    assertLive(push, 1)
    assert.match(push.all, /Node 22\.11\.0 is fetched/)
    const { path, ...versions } = await seen()
    const v22 = 'v22.11.0'
    assert.deepEqual(versions, { runs: v22, installed: v22, built: v22, released: v22 })
    const folders = path.split(':')
    assert.match(folders[0] ?? '', /releases\/1\/node_modules\/\.bin$/)
    assert.equal(folders[1], join(home, 'cache/node/22.11.0/bin'))
    const run = answered(
      await pilot.api('/api/project/picky/run', { method: 'POST', body: { command: ['node', '-v'] } }),
      200,
    )
    assert.match(run.text, /v22\.11\.0/)
    assert.deepEqual(await kept(), ['22.11.0'])
  })

  test('is not fetched again, and another one comes beside it', async () => {
    await work.commit({ ...asking('^24.0.0'), '.nvmrc': '' }, 'to 24')
    assertLive(await work.push(pilot.remote('picky')), 2)
    assert.match((await seen()).runs, /^v24\./)
    assert.equal((await seen()).built, (await seen()).runs)
    assert.equal((await kept()).length, 2)
  })

  test('stays with the release: rollback and restart', async () => {
    answered(await pilot.api('/api/project/picky/rollback', { method: 'POST', body: {} }), 200)
    assert.equal((await seen()).runs, 'v22.11.0')
    answered(await pilot.api('/api/project/picky/restart', { method: 'POST' }), 200)
    assert.equal((await seen()).runs, 'v22.11.0')
  })

  test('is refused by name where nobody has it', async () => {
    await work.commit(asking('99.x'), 'too new')
    const lines = assertRejected(await work.push(pilot.remote('picky')), 'unsupported_node')
    assert.match(lines.join(' '), /engines\.node in package\.json asks for Node +"99\.x"/)
    assert.match(lines.join(' '), /hint: available: .*22\.\d+\.\d+/)
    await work.commit({ ...asking(), '.nvmrc': 'iojs\n' }, 'nonsense')
    const nonsense = assertRejected(await work.push(pilot.remote('picky')), 'unsupported_node')
    assert.match(nonsense.join(' '), /\.nvmrc asks for Node +"iojs", +which +is +no +version/)
    assert.equal((await seen()).runs, 'v22.11.0')
  })

  test('away from the registry what is kept works, and nothing else does', async () => {
    await pilot.stop()
    pilot = await startPilot({ home, env: away })
    await until('the app answers', async () => (await pilot.app('picky')).status === 200)
    assert.equal((await seen()).runs, 'v22.11.0')
    await work.commit({ ...asking(), '.nvmrc': '22\n' }, 'kept')
    assertLive(await work.push(pilot.remote('picky')))
    assert.equal((await seen()).runs, 'v22.11.0')
    await work.commit({ '.nvmrc': '22.12.0\n' }, 'not kept')
    const lines = assertRejected(await work.push(pilot.remote('picky')), 'unsupported_node')
    assert.match(lines.join(' '), /cannot be reached .*hint: this server has .*22\.11\.0/)
  })

  test('is fetched again before a start where it went missing', async () => {
    await pilot.stop()
    await rm(join(home, 'cache/node/22.11.0'), { recursive: true })
    pilot = await startPilot({ home })
    await until('the app answers', async () => (await pilot.app('picky')).status === 200)
    assert.equal((await seen()).runs, 'v22.11.0')
    assert.ok((await kept()).includes('22.11.0'))
  })

  test("the server's own is used where it fits", async () => {
    await work.commit({ ...asking('>=18'), '.nvmrc': '' }, 'anything')
    const push = await work.push(pilot.remote('picky'))
    assertLive(push)
    assert.equal((await seen()).runs, process.version)
    assert.ok(
      remoteLines(push).some((line) => /Install +no dependencies/.test(line)),
      push.all,
    )
  })
})
