import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { app, mirror } from '../testing/apps.ts'
import { commandLine } from '../testing/command-line.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { root } from '../testing/root.ts'
import { until } from '../testing/until.ts'
import { type Files, type WorkTree, workTree } from '../testing/work-tree.ts'

const json = JSON.stringify

describe('the app file', { timeout: 240_000 }, () => {
  let pilot: Pilot

  before(async () => {
    pilot = await startPilot()
  })
  after(() => pilot?.stop())

  const push = async (tree: WorkTree, project: string) => {
    const { code, all } = await tree.push(pilot.remote(project))
    return { code, said: all.replace(/^remote: /gm, '').replace(/ +$/gm, '') }
  }
  const withTree = async (files: Files, work: (tree: WorkTree) => Promise<void>) => {
    const tree = await workTree(files)
    try {
      await work(tree)
    } finally {
      await tree.remove()
    }
  }
  const set = async (project: string, body: object) => {
    const answer = await pilot.api(`/api/project/${project}`, { method: 'PATCH', body })
    assert.equal(answer.status, 200, answer.text)
  }

  test('setting over file over Procfile over package.json, and the deploy says which', async () => {
    const says = (word: string) =>
      `node -e "require('http').createServer((q,s)=>s.end('${word}')).listen(process.env.PORT)"`
    const packageJson = {
      name: 'p',
      version: '1.0.0',
      scripts: { start: says('package'), build: 'echo B-package' },
    }
    await withTree({ 'package.json': json(packageJson) }, async (tree) => {
      const first = await push(tree, 'order')
      assert.equal(first.code, 0, first.said)
      assert.doesNotMatch(first.said, /nodepilot\.json|setting/)
      assert.equal((await pilot.app('order')).text, 'package')

      await tree.commit({ Procfile: `web: ${says('procfile')}\nrelease: echo R-procfile\n` })
      const second = await push(tree, 'order')
      assert.equal((await pilot.app('order')).text, 'procfile')
      assert.match(second.said, /R-procfile/)

      const file = { start: says('file'), build: 'echo B-file', release: 'echo R-file', healthPath: '/up' }
      await tree.commit({ 'nodepilot.json': json({ ...file, bootTimeoutMs: 20_000, graceMs: 3_000 }) })
      const third = await push(tree, 'order')
      assert.equal((await pilot.app('order')).text, 'file')
      assert.match(third.said, /\| B-file/)
      assert.doesNotMatch(third.said, /\| B-package/)
      assert.match(third.said, /\| R-file/)
      assert.match(third.said, /^ {2}\| build echo B-file \(nodepilot\.json, over package\.json\)$/m)
      assert.match(third.said, /^ {2}\| release echo R-file \(nodepilot\.json, over Procfile\)$/m)
      assert.match(third.said, /^ {2}\| healthPath \/up \(nodepilot\.json\)$/m)
      assert.match(third.said, /^\[5\/5\] Health {4}GET \/up -> 200/m)
      for (const line of third.said.split('\n')) assert.ok(line.length <= 72 || /https?:/.test(line), line)

      await set('order', {
        startCommand: says('setting'),
        buildCommand: 'echo B-setting',
        healthPath: '/ready',
      })
      await set('order', { releaseCommand: 'echo R-setting', graceMs: 1_000 })
      await tree.commit({ x: '1' })
      const fourth = await push(tree, 'order')
      assert.equal((await pilot.app('order')).text, 'setting')
      assert.match(fourth.said, /\| B-setting/)
      assert.match(fourth.said, /\| R-setting/)
      assert.match(fourth.said, /^ {2}\| healthPath \/ready \(setting, over nodepilot\.json\)$/m)
      assert.match(fourth.said, /GET \/ready -> 200/)

      await set('order', { startCommand: '', healthPath: null })
      const rolled = await pilot.api('/api/project/order/rollback', { method: 'POST', body: { release: 3 } })
      assert.equal(rolled.status, 200, rolled.text)
      assert.equal((await pilot.app('order')).text, 'file')
      const { deployment } = rolled.json<{ deployment: { steps: { name: string; note: string }[] } }>()
      assert.match(deployment.steps.find(({ name }) => name === 'Health')?.note ?? '', /^GET \/up -> 200/)
    })
  })

  test('a mistake in the file rejects the push and names the field; the old version stays', async () => {
    await withTree(mirror(), async (tree) => {
      assert.equal((await push(tree, 'mistakes')).code, 0)
      for (const [text, says] of [
        ['{"healthPath":"up"}', /^error: rejected_tree: nodepilot\.json: healthPath: a health path begins/m],
        [
          '{"helthPath":"/up"}',
          /^error: rejected_tree: nodepilot\.json: helthPath: there is no such field$/m,
        ],
        ['{"cron":[{"schedule":"x","command":"y"}]}', /nodepilot\.json: cron\.0\.schedule: /],
        ['{"rootDir":"apps/nope"}', /^error: rejected_tree: rootDir: there is no folder apps\/nope$/m],
        ['{oops', /^error: rejected_tree: nodepilot\.json: it is not valid JSON/m],
      ] as const) {
        await tree.commit({ 'nodepilot.json': text })
        const { code, said } = await push(tree, 'mistakes')
        assert.equal(code, 1)
        assert.match(said, says)
        assert.match(said, /^hint: /m)
        assert.doesNotMatch(said, /Install/)
      }
      assert.equal((await pilot.app('mistakes')).status, 200)
    })
  })

  test('a config var that must exist is missed by name before anything is installed', async () => {
    const files = { ...mirror(), 'nodepilot.json': json({ env: ['DATABASE_URL', 'API_KEY'] }) }
    await withTree(files, async (tree) => {
      const without = await push(tree, 'needy')
      assert.equal(without.code, 1)
      assert.match(without.said, /^error: missing_env: the config vars DATABASE_URL, API_KEY are not set/m)
      assert.match(without.said, /^hint: .*nodepilot config set DATABASE_URL=… API_KEY=…/m)
      assert.doesNotMatch(without.said, /Install/)
      const env = (body: object) => pilot.api('/api/project/needy/env', { method: 'PATCH', body })
      await env({ envVars: { DATABASE_URL: 'x', API_KEY: 'y' } })
      assert.equal((await push(tree, 'needy')).code, 0)
      const removed = await env({ envVars: { API_KEY: null } })
      assert.equal(removed.status, 422)
      assert.equal(removed.json<{ code: string }>().code, 'missing_env')
      assert.equal((await pilot.app('needy')).status, 200)
    })
  })

  test('a workspace is installed from the top and runs in its own folder; the kept tree serves it again', async () => {
    const files = {
      'package.json': json({ name: 'top', private: true, workspaces: ['apps/*', 'libs/*'] }),
      'package-lock.json': json(lockOf(['apps/api', 'apps/web', 'libs/words'])),
      'libs/words/package.json': json({ name: 'words', version: '1.0.0', main: 'index.js' }),
      'libs/words/index.js': "module.exports = 'from the library'\n",
      'apps/web/package.json': json({ name: 'web', version: '1.0.0', dependencies: { words: '1.0.0' } }),
      'apps/web/index.js': server("require('words') + ' in ' + process.cwd()"),
      'apps/web/Procfile': 'worker: node -e "setInterval(() => {}, 1000)"\n',
      'apps/api/package.json': json({ name: 'api', version: '1.0.0', scripts: { start: 'node api.js' } }),
      'apps/api/api.js': server("'the api'"),
      'nodepilot.json': json({ rootDir: 'apps/web' }),
    }
    await withTree(files, async (tree) => {
      const first = await push(tree, 'mono')
      assert.equal(first.code, 0, first.said)
      assert.match(first.said, /^ {2}\| rootDir apps\/web \(nodepilot\.json\)$/m)
      assert.match((await pilot.app('mono')).text, /^from the library in .*\/mono\/releases\/1\/apps\/web$/)
      const { project } = (await pilot.api('/api/project/mono')).json<{ project: { processes: object } }>()
      assert.deepEqual(project.processes, { web: 1, worker: 1 })

      await tree.commit({ 'apps/web/more.js': '' })
      const second = await push(tree, 'mono')
      assert.match(second.said, /Install {3}\d+ packages? kept/)
      const ran = await pilot.api('/api/project/mono/run', { method: 'POST', body: { command: ['pwd'] } })
      assert.match(ran.text, /\/mono\/releases\/2\/apps\/web"/)

      await pilot.api('/api/project/create', { method: 'POST', body: { name: 'api-one' } })
      await set('api-one', { rootDir: 'apps/api' })
      const other = await push(tree, 'api-one')
      assert.equal(other.code, 0, other.said)
      assert.match(other.said, /^ {2}\| rootDir apps\/api \(setting, over nodepilot\.json\)$/m)
      assert.equal((await pilot.app('api-one')).text, 'the api')

      await set('mono', { rootDir: 'apps/api' })
      await pilot.api('/api/project/mono/restart', { method: 'POST' })
      assert.match((await pilot.app('mono')).text, /releases\/2\/apps\/web$/, 'a release runs as it was made')
    })
  })

  test('a folder that is no workspace installs from its own lockfile', async () => {
    const files = {
      'package.json': json({ name: 'top', scripts: { start: 'node wrong.js', build: 'exit 9' } }),
      'service/package.json': json({ name: 's', version: '1.0.0', dependencies: { near: 'file:near' } }),
      'service/package-lock.json': json({
        ...lock('s'),
        packages: {
          '': { name: 's', version: '1.0.0', dependencies: { near: 'file:near' } },
          near: { version: '2.0.0' },
          'node_modules/near': { resolved: 'near', link: true },
        },
      }),
      'service/near/package.json': json({ name: 'near', version: '2.0.0' }),
      'service/server.js': server("require('near/package.json').version"),
    }
    await withTree(files, async (tree) => {
      await pilot.api('/api/project/create', { method: 'POST', body: { name: 'alone' } })
      await set('alone', { rootDir: 'service' })
      const { code, said } = await push(tree, 'alone')
      assert.equal(code, 0, said)
      assert.equal((await pilot.app('alone')).text, '2.0.0')
      const release = join(pilot.home, 'projects/alone/releases/1')
      await assert.rejects(readFile(join(release, 'node_modules/.package-lock.json')))
    })
  })

  test('the command line shows, sets and unsets settings, by what the server says of them', async () => {
    const user = await commandLine()
    try {
      await user.login(pilot)
      await pilot.api('/api/project/create', { method: 'POST', body: { name: 'tuned' } })
      const settings = (...args: string[]) => user.run(['settings', ...args, '-p', 'tuned'])
      const values = async () =>
        (await settings('--json')).json<{ settings: Record<string, unknown> }>().settings
      const set = await settings(
        'set',
        'nodeVersion=22',
        'graceMs=5000',
        'spa=yes',
        'healthPath=/a=b',
        'rootDir=./x/',
      )
      assert.equal(set.code, 0, set.all)
      const { nodeVersion, graceMs, spa, healthPath, rootDir } = await values()
      assert.deepEqual([nodeVersion, graceMs, spa, healthPath, rootDir], ['22', 5000, true, '/a=b', 'x'])
      const jobs = await settings(
        'set',
        'cron=[{"schedule":"* * * * *","command":"x"}]',
        'bootTimeoutMs=5000',
      )
      assert.equal(jobs.code, 0, jobs.all)
      assert.match((await settings()).out, /^graceMs +5000 +from SIGTERM to SIGKILL/m)
      const unset = await settings('unset', 'graceMs', 'spa', 'cron', 'bootTimeoutMs', 'healthPath')
      assert.equal(unset.code, 0, unset.all)
      const now = await values()
      assert.deepEqual([now.graceMs, now.spa, now.cron, now.healthPath], [null, null, null, null])
      assert.equal(now.bootTimeoutMs, 60_000)
      for (const [args, code, says] of [
        [['set', 'helthPath=/x'], 4, /did you mean healthPath/],
        [['set', 'graceMs=soon'], 2, /graceMs is a number/],
        [['set', 'graceMs=-1'], 1, /graceMs: /],
        [['set', 'rootDir=../x'], 1, /rootDir: it leads out/],
        [['set', 'spa=perhaps'], 2, /spa is yes or no/],
        [['set', 'spa'], 2, /not like name=value/],
        [['unset', 'privateModules'], 2, /always has a value/],
      ] as const) {
        const refused = await settings(...args)
        assert.equal(refused.code, code, refused.all)
        assert.match(refused.err, says)
      }
    } finally {
      await user.remove()
    }
  })

  test('the examples of a monorepo and of a static site go live as they are', async () => {
    for (const [name, path, says] of [
      ['monorepo', '/', /^Hello from a workspace, v1$/m],
      ['static', '/about', /This file is <code>about\.html/],
    ] as const) {
      const tree = await workTree({ copyOf: join(root, 'examples', name) })
      try {
        const { code, said } = await push(tree, name)
        assert.equal(code, 0, said)
        assert.match((await pilot.app(name, path)).text, says)
      } finally {
        await tree.remove()
      }
    }
  })

  test('a Procfile: release runs once with the config vars before the boot, and workers follow the switch', async () => {
    const note = (name: string) => `echo ${name} $NODEPILOT_RELEASE >> $NODEPILOT_DATA_DIR/order`
    const files = {
      ...app(`require('node:fs').appendFileSync(process.env.NODEPILOT_DATA_DIR + '/order', 'web ' + process.env.NODEPILOT_RELEASE + '\\n')
require('node:http').createServer((q, s) => s.end('v')).listen(process.env.PORT)
`),
      Procfile: [
        'web: node server.js',
        `release: echo migrating $DB; ${note('release')}`,
        `worker: trap '${note('worker-end')}; exit 0' TERM; ${note('worker')}; while :; do sleep 0.1; done`,
        '',
      ].join('\n'),
    }
    const order = async () =>
      (await readFile(join(pilot.home, 'projects/turns/data/order'), 'utf8')).trim().split('\n')
    await withTree(files, async (tree) => {
      const env = { name: 'turns', envVars: { DB: 'pg-one-two' } }
      await pilot.api('/api/project/create', { method: 'POST', body: env })
      const first = await push(tree, 'turns')
      assert.equal(first.code, 0, first.said)
      assert.match(first.said, /^ {2}\| migrating /m)
      await until('the first worker', async () => (await order()).includes('worker v1'))
      await pilot.api('/api/project/turns/scale', { method: 'POST', body: { worker: 2 } })
      await tree.commit({ x: '1' })
      assert.equal((await push(tree, 'turns')).code, 0)
      await until(
        'two new workers',
        async () => (await order()).filter((one) => one === 'worker v2').length === 2,
      )
      const seen = await order()
      const at = (line: string) => seen.indexOf(line)
      assert.ok(at('release v1') < at('web v1') && at('web v1') < at('worker v1'), seen.join())
      assert.ok(at('release v2') < at('web v2') && at('web v2') < at('worker-end v1'), seen.join())
      assert.ok(seen.lastIndexOf('worker-end v1') < at('worker v2'), seen.join())
      assert.equal(seen.filter((one) => one === 'release v2').length, 1)

      await tree.commit({ Procfile: 'web: node server.js\nrelease: echo no such table; exit 3\n' })
      const failed = await push(tree, 'turns')
      assert.equal(failed.code, 1)
      assert.match(failed.said, /^ {2}\| no such table$/m)
      assert.match(failed.said, /^error: release_failed: .* exited with code 3/m)
      assert.equal((await order()).includes('web v3'), false)
      assert.equal((await pilot.app('turns')).status, 200)
    })
  })

  test('a grace period of the file is what a slow process gets', async () => {
    const slow = app(`process.on('SIGTERM', () => {})
require('node:http').createServer((q, s) => s.end('slow')).listen(process.env.PORT)
`)
    await withTree({ ...slow, 'nodepilot.json': json({ graceMs: 300 }) }, async (tree) => {
      assert.equal((await push(tree, 'slow')).code, 0)
      const began = performance.now()
      assert.equal((await pilot.api('/api/project/slow/stop', { method: 'POST' })).status, 200)
      const took = performance.now() - began
      assert.ok(took < 8_000, `${took} ms`)
    })
  })
})

function server(expression: string): string {
  return `require('node:http').createServer((q, s) => s.end(String(${expression}))).listen(process.env.PORT)\n`
}

const lock = (name: string) => ({ name, lockfileVersion: 3, requires: true })

/** What npm writes for workspaces without dependencies from outside. */
function lockOf(folders: readonly string[]) {
  const nameOf = (folder: string) => folder.split('/').at(-1) ?? ''
  const dependencies = (folder: string) => (folder === 'apps/web' ? { dependencies: { words: '1.0.0' } } : {})
  return {
    ...lock('top'),
    packages: {
      '': { name: 'top', workspaces: ['apps/*', 'libs/*'] },
      ...Object.fromEntries(
        folders.map((folder) => [
          folder,
          { name: nameOf(folder), version: '1.0.0', ...dependencies(folder) },
        ]),
      ),
      ...Object.fromEntries(
        folders.map((folder) => [`node_modules/${nameOf(folder)}`, { resolved: folder, link: true }]),
      ),
    },
  }
}
