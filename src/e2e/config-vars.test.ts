import assert from 'node:assert/strict'
import { copyFile, readdir, readFile, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { app } from '../testing/apps.ts'
import { command } from '../testing/command.ts'
import { type CommandLine, commandLine } from '../testing/command-line.ts'
import { assertLive } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered, deploymentsOf, projectOf } from '../testing/project.ts'
import { root } from '../testing/root.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { until } from '../testing/until.ts'
import { type WorkTree, workTree } from '../testing/work-tree.ts'

const canary = 'canary-9c41e7b2-value'
const runtime = 'runtime-4411aa-value'
const buildOnly = 'build-77e0c3-value'

/** Shows which of its config vars the build saw, and which it runs with. */
const curious = app(
  `const names = ['TOKEN', 'AT_RUN', 'AT_BUILD'], seen = require('./seen.json')
require('node:http').createServer((q, s) => s.end(JSON.stringify({
  build: seen, run: names.filter((name) => process.env[name] !== undefined) }))).listen(process.env.PORT)`,
  {
    scripts: {
      start: 'node server.js',
      build: `node -e "fs.writeFileSync('seen.json', JSON.stringify(['TOKEN', 'AT_RUN', 'AT_BUILD'].filter((name) => process.env[name] !== undefined)))"`,
    },
  },
)

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** Files of a home, as they are on disk, that hold this text. */
async function holding(home: string, text: string): Promise<string[]> {
  const found: string[] = []
  for (const file of await filesBelow(home)) {
    const bytes = await readFile(file).catch(() => Buffer.alloc(0))
    if (bytes.includes(text)) found.push(relative(home, file))
  }
  return found
}

describe('config vars', { timeout: 180_000 }, () => {
  let pilot: Pilot
  let user: CommandLine
  let tree: WorkTree
  const nodepilot = (home: string, ...words: string[]) =>
    command(join(root, 'bin', 'nodepilot'), words, { env: { NODEPILOT_HOME: home }, timeoutMs: 120_000 })
  const done = async (...words: string[]) => {
    const result = await user.run(words)
    assert.equal(result.code, 0, result.all)
    return result.out
  }

  before(async () => {
    pilot = await startPilot()
    user = await commandLine()
    await user.login(pilot)
    tree = await workTree(curious)
    await done('create', 'shop', '--no-remote')
    await done('config', 'set', `TOKEN=${canary}`, '-p', 'shop')
    await done('config', 'set', `AT_RUN=${runtime}`, '--runtime-only', '-p', 'shop')
    await done('config', 'set', `AT_BUILD=${buildOnly}`, '--build-only', '-p', 'shop')
    assertLive(await tree.push(pilot.remote('shop')), 1)
  })
  after(async () => {
    await user?.remove()
    await tree?.remove()
    await pilot?.stop()
  })

  test('a var for run time alone is kept from the build, one for builds alone from the processes', async () => {
    assert.deepEqual((await pilot.app('shop')).json(), {
      build: ['TOKEN', 'AT_BUILD'],
      run: ['TOKEN', 'AT_RUN'],
    })
    const run = await user.run(['run', '-p', 'shop', '--', 'sh', '-c', 'echo "$AT_RUN,$AT_BUILD"'])
    assert.equal(run.out, `${runtime},\n`)
    const shown = answered(await pilot.api('/api/project/shop/env')).json()
    assert.deepEqual(shown, {
      envVars: { TOKEN: canary, AT_RUN: runtime, AT_BUILD: buildOnly },
      scopes: { AT_RUN: 'run', AT_BUILD: 'build' },
      locked: [],
    })
  })

  test('a scope can be changed alone, makes a release only where processes see it, and goes with its var', async () => {
    const env = '/api/project/shop/env'
    const patch = async (body: object) =>
      answered(await pilot.api(env, { method: 'PATCH', body })).json<{ scopes: object }>().scopes
    assert.deepEqual(await patch({ scopes: { TOKEN: 'run' } }), {
      TOKEN: 'run',
      AT_RUN: 'run',
      AT_BUILD: 'build',
    })
    assert.equal((await projectOf(pilot, 'shop')).release, 1, 'processes see what they saw')
    assert.match(await done('config', 'set', 'AT_BUILD', '--everywhere', '-p', 'shop'), /v2 is live/)
    assert.deepEqual((await pilot.app('shop')).json<{ run: string[] }>().run, ['TOKEN', 'AT_RUN', 'AT_BUILD'])
    assert.deepEqual(await patch({ envVars: { AT_BUILD: null } }), { TOKEN: 'run', AT_RUN: 'run' })
    for (const body of [{ scopes: { NOBODY: 'run' } }, { scopes: { TOKEN: 'sometimes' } }]) {
      assert.equal((await pilot.api(env, { method: 'PATCH', body })).status, 422)
    }
    await done('config', 'set', 'TOKEN', '--everywhere', '-p', 'shop')
    await done('config', 'set', `AT_BUILD=${buildOnly}`, '--build-only', '--no-apply', '-p', 'shop')
    assert.equal((await user.run(['config', 'set', 'A=1', '--build-only', '--runtime-only'])).code, 2)
  })

  test('a rollback that restores config vars restores where they are to be seen', async () => {
    const body = { release: 1, restoreEnv: true }
    answered(await pilot.api('/api/project/shop/rollback', { method: 'POST', body }))
    const { scopes } = answered(await pilot.api('/api/project/shop/env')).json<{ scopes: object }>()
    assert.deepEqual(scopes, { AT_RUN: 'run', AT_BUILD: 'build' })
  })

  test('no value stands in a file of the home in plain text, but in launch scripts for their owner alone', async () => {
    for (const value of [canary, runtime, buildOnly]) {
      const files = await holding(pilot.home, value)
      assert.deepEqual(
        files.filter((file) => !/^run\/launch\/shop\//.test(file)),
        [],
      )
    }
  })

  test('values are in no log: of installs, builds, release phases, apps that live and that die, nor in any answer', async () => {
    const secret = 'Sup3r-s3cret-of-leaky'
    const talk = `console.log('app ' + process.env.LEAK); process.stdout.write('sp' + process.env.LEAK.slice(0, 9)); setTimeout(() => console.log(process.env.LEAK.slice(9)), 50);`
    const files = (extra: string) => ({
      'server.js': `${talk} ${extra}; require('node:http').createServer((q, s) => s.end('up')).listen(process.env.PORT)`,
      'package.json': JSON.stringify({
        name: 'leaky',
        scripts: {
          start: 'node server.js',
          build: 'echo "build $LEAK"; env',
          preinstall: 'echo "install $LEAK"',
        },
      }),
      Procfile:
        'web: node server.js\nrelease: echo "release $LEAK"; printf %s "$LEAK" | base64\nworker: node -e "console.log(process.env.LEAK); setInterval(() => {}, 1e6)"\n',
    })
    await done('create', 'leaky', '--no-remote')
    await done('config', 'set', `LEAK=${secret}`, 'MODE=production', '-p', 'leaky')
    const leaky = await workTree(files(''))
    try {
      const live = await leaky.push(pilot.remote('leaky'))
      assertLive(live, 1)
      assert.match(live.all, /build \*\*\*/)
      assert.match(live.all, /release \*\*\*/)
      assert.match(live.all, /MODE=production/, 'what is no secret stays')
      await leaky.commit(files(`if (true) throw new Error('cannot reach ' + process.env.LEAK)`), 'Die')
      const dead = await leaky.push(pilot.remote('leaky'))
      assert.notEqual(dead.code, 0)
      assert.match(dead.all, /cannot reach \*\*\*/)
      const logs = await until('what the app wrote', async () => {
        const { text } = await pilot.api('/api/project/leaky/logs?lines=1000')
        return text.includes('app ***') && text.includes('sp***') && text.includes('worker.1')
          ? text
          : undefined
      })
      const answers = [live.all, dead.all, logs]
      for (const path of [
        'deployments',
        'deployments/1',
        'deployments/2',
        'deployments/1/log',
        'deployments/2/log',
        'releases',
        'logs?q=Sup3r',
      ]) {
        answers.push(answered(await pilot.api(`/api/project/leaky/${path}`)).text)
      }
      answers.push(
        (await pilot.api('/api/audit')).text,
        (await pilot.api('/api/project/leaky')).text,
        pilot.log(),
      )
      for (const answer of answers) {
        assert.doesNotMatch(answer, /Sup3r|s3cret|U3VwM3I/)
      }
      // files of logs too; what PM2 writes down is the app's own word, hidden when it is read
      const kept = await holding(pilot.home, secret)
      assert.deepEqual(
        kept.filter((file) => !/^run\/launch\/leaky\/|^logs\/leaky\/(web|worker)\.1\.log$/.test(file)),
        [],
      )
    } finally {
      await leaky.remove()
    }
  })

  test('what is exported is imported as it was, over the command line and over the panel', async () => {
    const hard = {
      A: `it's "so" \\n $HOME #no`,
      B: 'two\nlines\r\nthree',
      C: '  ',
      D: '',
      E: '\uFEFFx=\u00fc',
    }
    const body = { envVars: hard }
    answered(
      await pilot.api('/api/project/create', { method: 'POST', body: { name: 'round', ...body } }),
      201,
    )
    const text = await done('config', '--env', '-p', 'round')
    assert.equal(text, await done('config', 'export', '-p', 'round'))
    for (const ends of [text, `\uFEFF${text.replaceAll('\n', '\r\n')}`]) {
      await pilot.api('/api/project/round/env', { method: 'PUT', body: { envVars: {} } })
      const imported = await user.run(['config', 'import', '-', '-p', 'round'], { input: ends })
      assert.equal(imported.code, 0, imported.all)
      assert.deepEqual((await pilot.api('/api/project/round/env')).json<{ envVars: object }>().envVars, hard)
    }
  })

  test('with a new key everything goes on, and the old one is needed no more', async () => {
    const keysIn = async () =>
      (await readdir(join(pilot.home, 'keys'))).filter((name) => /^config-vars/.test(name))
    const [old = ''] = await keysIn()
    assert.match(
      await done('keys', 'rotate'),
      /^config vars of \d+ projects and releases are sealed with a new key$/m,
    )
    assert.equal((await keysIn()).length, 2)
    await rm(join(pilot.home, 'keys', old))
    pilot.signal('SIGTERM')
    await pilot.exited()
    await pilot.start()
    const { envVars, locked } = answered(await pilot.api('/api/project/shop/env')).json<{
      envVars: { TOKEN: string }
      locked: string[]
    }>()
    assert.deepEqual([envVars.TOKEN, locked], [canary, []])
    answered(await pilot.api('/api/project/shop/restart', { method: 'POST' }))
    assert.deepEqual((await pilot.app('shop')).json<{ run: string[] }>().run, ['TOKEN', 'AT_RUN'])
  })

  test('restored without keys: what is lost is named, nothing runs without it, and both ways on work', async () => {
    const saved = await nodepilot(pilot.home, 'backup')
    assert.equal(saved.code, 0, saved.all)
    const homes = [await temporaryDirectory('lost'), await temporaryDirectory('found')] as const
    try {
      for (const home of homes) {
        const restored = await nodepilot(home, 'restore', saved.out.trim())
        assert.equal(restored.code, 0, restored.all)
        assert.match(restored.err, /config vars of shop that cannot be read: .*TOKEN/)
        assert.match(restored.err, /hint: copy config-vars-\*\.key/)
      }
      await withoutKeys(homes[0])
      const [key = ''] = (await readdir(join(pilot.home, 'keys'))).filter((name) => /^config-vars/.test(name))
      const target = join(homes[1], 'keys', key)
      await command('mkdir', ['-p', join(homes[1], 'keys')])
      await copyFile(join(pilot.home, 'keys', key), target)
      await withKeys(homes[1])
    } finally {
      for (const home of homes) await removeDirectory(home)
    }
  })

  async function withoutKeys(home: string): Promise<void> {
    const lost = await startPilot({ home })
    try {
      const failed = await until(
        'the attempt to build it again',
        async () => (await deploymentsOf(lost, 'shop')).find(({ status }) => status === 'failed'),
        60_000,
      )
      assert.match(failed.error?.message ?? '', /no key for: TOKEN, AT_RUN, AT_BUILD/)
      answered(await lost.api('/api/project/list'))
      assert.match((await lost.app('shop')).text, /shop/)
      const env = '/api/project/shop/env'
      const shown = answered(await lost.api(env)).json<{ envVars: object; locked: string[] }>()
      assert.deepEqual([shown.envVars, shown.locked], [{}, ['TOKEN', 'AT_RUN', 'AT_BUILD']])
      const one = answered(await lost.api(env, { method: 'PATCH', body: { TOKEN: 'new' } })).json<
        typeof shown
      >()
      assert.deepEqual([one.envVars, one.locked], [{ TOKEN: 'new' }, ['AT_RUN', 'AT_BUILD']])
      answered(await lost.api(env, { method: 'PATCH', body: { AT_RUN: null, AT_BUILD: 'new' } }))
      await until(
        'the project to be built again',
        async () => (await lost.app('shop')).status === 200 || undefined,
        60_000,
      )
      assert.deepEqual((await lost.app('shop')).json<{ run: string[] }>().run, ['TOKEN'])
    } finally {
      await lost.stop()
    }
  }

  async function withKeys(home: string): Promise<void> {
    const found = await startPilot({ home })
    try {
      await until(
        'the project to be built again',
        async () => (await found.app('shop')).status === 200 || undefined,
        60_000,
      )
      const { envVars } = answered(await found.api('/api/project/shop/env')).json<{
        envVars: { TOKEN: string }
      }>()
      assert.equal(envVars.TOKEN, canary)
    } finally {
      await found.stop()
    }
  }
})
