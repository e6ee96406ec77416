import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { app, mirror } from '../testing/apps.ts'
import { command } from '../testing/command.ts'
import { assertLive } from '../testing/git-output.ts'
import { environmentOf } from '../testing/leftovers.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { processesOf } from '../testing/processes.ts'
import { answered, projectOf, type ShownProblem } from '../testing/project.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

const canary = 'canary-7f3a91d2c4'
const secrets = {
  DATABASE_PASSWORD: canary,
  AWS_SECRET_ACCESS_KEY: canary,
  NODE_OPTIONS: '--no-deprecation',
  NODEPILOT_SECRET: canary,
}

/** Values that break what is put together from text. */
const hard = {
  name: 'a name',
  status: 'stopped',
  args: '["x"]',
  pm_id: '7',
  NODE_ENV_EXTRA: '',
  QUOTES: `it's "quoted" and \\backslashed\\`,
  SHELL_WORDS: '$(touch /tmp/never) `id` $HOME; echo no & # not a comment',
  LINES: 'first\nsecond\r\n\tthird\n',
  UNICODE: 'grüße 日本語 🚀 \u0001',
  JSON: '{"a":[1,"2",null]}',
  SPACES: '  leading and trailing  ',
  LONG: 'x'.repeat(32_000),
  PERCENT: '%s %d %%',
  lower_case: 'yes',
  _UNDERSCORE: '1',
}

describe('the environment of apps and builds', { timeout: 120_000 }, () => {
  let pilot: Pilot
  let work: WorkTree
  const vars = (name: string) => `/api/project/${name}/env`
  const seen = async (name: string) => (await pilot.app(name)).json<{ env: Record<string, string> }>().env

  before(async () => {
    pilot = await startPilot({ env: secrets })
    const manifest = { scripts: { build: 'env > build-environment', start: 'node server.js' } }
    const server = `const fs = require('node:fs')
require('node:http').createServer((q, s) => s.end(JSON.stringify({
  env: process.env, build: fs.readFileSync('build-environment', 'utf8') }))).listen(process.env.PORT)`
    work = await workTree(app(server, manifest))
    assertLive(await work.push(pilot.remote('mirror')), 1)
  })
  after(async () => {
    await pilot?.stop()
    await work?.remove()
  })

  test('an app gets exactly what is promised, and nothing of the server', async () => {
    const environment = await seen('mirror')
    const { port } = await projectOf(pilot, 'mirror')
    const data = join(pilot.home, 'projects', 'mirror', 'data')
    assert.deepEqual(
      Object.keys(environment)
        .filter((key) => key !== 'TZ')
        .sort(),
      [
        'HOME',
        'LANG',
        'NODEPILOT_DATA_DIR',
        'NODEPILOT_INSTANCE',
        'NODEPILOT_PROJECT',
        'NODEPILOT_RELEASE',
        'NODE_ENV',
        'PATH',
        'PORT',
      ],
    )
    assert.equal(environment.PORT, String(port))
    assert.equal(environment.NODE_ENV, 'production')
    assert.equal(environment.HOME, data)
    assert.equal(environment.NODEPILOT_PROJECT, 'mirror')
    assert.equal(environment.NODEPILOT_RELEASE, 'v1')
    assert.equal(environment.NODEPILOT_INSTANCE, 'web.1')
    assert.equal(environment.NODEPILOT_DATA_DIR, data)
    assert.match(environment.PATH ?? '', /^\/.*\/releases\/1\/node_modules\/\.bin:/)
  })

  test('a secret of the server is in no app, no build, no process and no file of PM2', async () => {
    const { build } = (await pilot.app('mirror')).json<{ build: string }>()
    assert.doesNotMatch(build, new RegExp(`${canary}|no-deprecation`))
    const all = await processesOf(pilot.home)
    const server = all.find(({ pid }) => pid === pilot.pid)
    for (const { pid, command: line } of all) {
      // what a process was started with stays visible in /proc; the server itself was started with it, and what it
      // is about to start looks like the server for a moment
      if (line === server?.command) continue
      for (const [key, value] of await environmentOf(pid))
        assert.ok(!value.includes(canary), `${line}: ${key}`)
    }
    const found = await command('grep', ['-rlaF', canary, pilot.home])
    assert.equal(found.out, '')
    const password = await command('grep', ['-rlaF', pilot.password, pilot.home])
    assert.equal(password.out, '')
  })

  test('every value arrives as it was written, whatever it holds', async () => {
    answered(await pilot.api(vars('mirror'), { method: 'PUT', body: { envVars: hard } }))
    const environment = await seen('mirror')
    for (const [key, value] of Object.entries(hard)) assert.equal(environment[key], value, key)
    const stored = answered(await pilot.api(vars('mirror'))).json<{ envVars: object }>()
    assert.deepEqual(stored.envVars, hard)
    answered(await pilot.api('/api/project/mirror/restart', { method: 'POST' }))
    assert.equal((await seen('mirror')).LINES, hard.LINES)
  })

  test('config vars are there for the build, and PATH, HOME and NODE_ENV can be set', async () => {
    const own = {
      PATH: `/opt/own/bin:${process.env.PATH}`,
      HOME: '/tmp',
      NODE_ENV: 'staging',
      BUILD_KEY: 'for the build',
    }
    answered(await pilot.api(vars('mirror'), { method: 'PUT', body: own }))
    const environment = await seen('mirror')
    for (const [key, value] of Object.entries(own)) assert.equal(environment[key], value)
    await work.commit({}, 'build again')
    assertLive(await work.push(pilot.remote('mirror')))
    const { build } = (await pilot.app('mirror')).json<{ build: string }>()
    assert.match(build, /^BUILD_KEY=for the build$/m)
  })

  test('names that NodePilot sets, and names no shell takes, are refused by name', async () => {
    const before = answered(await pilot.api(vars('mirror'))).text
    for (const name of [
      'PORT',
      'NODEPILOT_X',
      'NODEPILOT_DATA_DIR',
      '1ABC',
      'A-B',
      'A B',
      '',
      'A=B',
      'Ä',
      '__proto__ ',
    ]) {
      for (const [method, body] of [
        ['PUT', { envVars: { FINE: '1', [name]: 'x' } }],
        ['PATCH', { [name]: 'x' }],
      ] as const) {
        const answer = await pilot.api(vars('mirror'), { method, body })
        assert.equal(answer.status, 422, `${method} ${name}: ${answer.text}`)
        const { errors } = answer.json<unknown>() as ShownProblem
        assert.ok(
          errors?.some(({ field }) => field === name || field === `envVars.${name}` || name === ''),
          `${method} "${name}": ${answer.text}`,
        )
      }
    }
    for (const value of [1, true, null, ['a'], { a: 1 }, 'x'.repeat(40_000), 'a\u0000b']) {
      const answer = await pilot.api(vars('mirror'), { method: 'PUT', body: { envVars: { WRONG: value } } })
      assert.equal(answer.status, 422, `${JSON.stringify(value).slice(0, 40)}: ${answer.text}`)
      assert.match(answer.text, /WRONG/, answer.text)
    }
    assert.equal((await pilot.api(vars('mirror'))).text, before)
  })

  test('PATCH merges and null removes; unchanged values make no release', async () => {
    const second = await workTree(mirror())
    assertLive(await second.push(pilot.remote('patched')), 1)
    await second.remove()
    answered(await pilot.api(vars('patched'), { method: 'PUT', body: { A: '1', B: '2' } }))
    answered(await pilot.api(vars('patched'), { method: 'PATCH', body: { B: null, C: '3' } }))
    const environment = await seen('patched')
    assert.deepEqual([environment.A, environment.B, environment.C], ['1', undefined, '3'])
    const { release } = await projectOf(pilot, 'patched')
    answered(await pilot.api(vars('patched'), { method: 'PATCH', body: { A: '1' } }))
    assert.equal((await projectOf(pilot, 'patched')).release, release)
  })

  test('?apply=false stores for the next deploy and leaves what runs alone', async () => {
    const { instances, release } = await projectOf(pilot, 'patched')
    answered(await pilot.api(`${vars('patched')}?apply=false`, { method: 'PATCH', body: { LATER: 'yes' } }))
    const now = await projectOf(pilot, 'patched')
    assert.deepEqual([now.release, now.instances[0]?.pid], [release, instances[0]?.pid])
    assert.equal((await seen('patched')).LATER, undefined)
    answered(await pilot.api('/api/project/patched/deploy', { method: 'POST', body: {} }))
    assert.equal((await seen('patched')).LATER, 'yes')
  })

  test('values with which the app does not start are not kept, and it goes on with the old ones', async () => {
    const picky = await workTree(
      app(`if (process.env.MODE === 'broken') throw new Error('bad mode')
require('node:http').createServer((q, s) => s.end(process.env.MODE ?? 'none')).listen(process.env.PORT)`),
    )
    assertLive(await picky.push(pilot.remote('picky')), 1)
    await picky.remove()
    answered(await pilot.api(vars('picky'), { method: 'PUT', body: { MODE: 'good' } }))
    const refused = await pilot.api(vars('picky'), { method: 'PATCH', body: { MODE: 'broken' } })
    assert.equal(refused.status, 422)
    assert.equal(refused.json<{ code: string }>().code, 'boot_crashed')
    assert.equal((await pilot.app('picky')).text, 'good')
    assert.deepEqual(answered(await pilot.api(vars('picky'))).json<{ envVars: object }>().envVars, {
      MODE: 'good',
    })
  })

  test('keys, database and PM2 home can be read by their owner alone', async () => {
    const open = await command('find', [
      ...['nodepilot.db', 'keys', 'run', 'pm2', 'repositories', 'logs', 'projects'].map((part) =>
        join(pilot.home, part),
      ),
      '-maxdepth',
      '1',
      '-perm',
      '/077',
      '!',
      '-type',
      'l',
    ])
    // inside a closed folder a file's own bits do not matter
    const home = await command('stat', [
      '-c',
      '%a',
      pilot.home,
      join(pilot.home, 'pm2'),
      join(pilot.home, 'keys'),
    ])
    assert.deepEqual(home.out.trim().split('\n'), ['700', '700', '700'], open.out)
    assert.ok(!(await readFile(join(pilot.home, 'nodepilot.db'), 'latin1')).includes(pilot.password))
  })
})
