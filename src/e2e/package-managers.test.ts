import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { command } from '../testing/command.ts'
import { assertLive, assertRejected, remoteLines } from '../testing/git-output.ts'
import { type Pilot, startPilot } from '../testing/pilot.ts'
import { answered } from '../testing/project.ts'
import { removeDirectory, temporaryDirectory } from '../testing/temporary.ts'
import { type Files, type WorkTree, workTree } from '../testing/work-tree.ts'

const server = `const isNumber = require('is-number')
require('node:http').createServer((q, s) => s.end(JSON.stringify({
  number: isNumber(5), built: require('./built.json'), agent: process.env.npm_config_user_agent ?? null
}))).listen(process.env.PORT)
`

/** Builds and starts with commands that call the package manager, as people write them. */
const appOf = (packageManager: string, name: string, fields: object = {}): Files => ({
  'package.json': `${JSON.stringify(
    {
      name: 'app',
      version: '1.0.0',
      private: true,
      license: 'MIT',
      packageManager,
      scripts: {
        build: `${name} run make`,
        make: "node -e \"require('fs').writeFileSync('built.json', String(require('left-pad')(7, 2)))\"",
        serve: 'node server.js',
      },
      dependencies: { 'is-number': '7.0.0' },
      devDependencies: { 'left-pad': '1.3.0' },
      ...fields,
    },
    null,
    2,
  )}\n`,
  'server.js': server,
  Procfile: `web: ${name} run serve\n`,
})

const cases = [
  { spec: 'pnpm@10.34.8', name: 'pnpm', lockfile: 'pnpm-lock.yaml' },
  { spec: 'yarn@4.18.1', name: 'yarn', lockfile: 'yarn.lock' },
  { spec: 'bun@1.4.5', name: 'bun', lockfile: 'bun.lock' },
] as const

describe('pushing apps of other package managers', { timeout: 420_000 }, () => {
  let pilot: Pilot
  let home: string
  const trees: WorkTree[] = []

  before(async () => {
    home = await temporaryDirectory('managers')
    pilot = await startPilot({ home })
  })
  after(async () => {
    await pilot?.stop()
    for (const tree of trees) await tree.remove()
    await removeDirectory(home)
  })

  /** What the developer's own machine would do: the lockfile is written by the same package manager. */
  async function lock(tree: WorkTree, spec: string, name: string): Promise<void> {
    if (name === 'yarn') await tree.write({ 'yarn.lock': '' })
    const bin = join(home, 'cache/managers', spec, 'node_modules/.bin')
    const env = {
      PATH: `${bin}:${process.env.PATH}`,
      HOME: home,
      NODE_EXTRA_CA_CERTS: (await command('npm', ['config', 'get', 'cafile'])).out
        .trim()
        .replace(/^null$/, ''),
      YARN_NODE_LINKER: 'node-modules',
      // where CI is set, yarn would write none
      YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
      YARN_ENABLE_GLOBAL_CACHE: 'true',
      YARN_GLOBAL_FOLDER: join(home, 'yarn'),
    }
    const done = await command(name, ['install'], { cwd: tree.directory, env })
    assert.equal(done.code, 0, done.all)
  }

  for (const { spec, name, lockfile } of cases) {
    test(`${spec} installs, builds and starts its app, and is not run again for the same lockfile`, async () => {
      const project = spec.replace(/[@.]/g, '-')
      const tree = await workTree({ ...appOf(spec, name), '.gitignore': 'node_modules\n.yarn\n' })
      trees.push(tree)
      const first = await tree.push(pilot.remote(project))
      assertLive(first, 1)
      assert.match(first.all, new RegExp(`${name} ${spec.split('@')[1]} is fetched`))
      assert.match(first.all, new RegExp(`hint: commit ${lockfile}`))
      const seen = (await pilot.app(project)).json<{ number: boolean; built: number }>()
      assert.deepEqual([seen.number, seen.built], [true, 7])

      await lock(tree, spec, name)
      await tree.commit({}, 'with its lockfile')
      const second = await tree.push(pilot.remote(project))
      assertLive(second, 2)
      assert.ok(
        remoteLines(second).some((line) =>
          line.includes(`Install   ${name} install, Node ${process.versions.node}`),
        ),
        second.all,
      )
      await tree.commit({ 'note.txt': 'x' }, 'nothing to install')
      const third = await tree.push(pilot.remote(project))
      assertLive(third, 3)
      assert.match(third.all, /Install +2 packages kept/)
      assert.match(third.all, new RegExp(`Build +${name} run build`))

      answered(await pilot.api(`/api/project/${project}/restart`, { method: 'POST' }), 200)
      assert.equal((await pilot.app(project)).json<{ number: boolean }>().number, true)
    })
  }

  test('a lockfile that does not match rejects the push with the command that mends it', async () => {
    const tree = trees[0] ?? assert.fail('no tree')
    const odd = { dependencies: { 'is-number': '7.0.0', 'is-odd': '3.0.1' } }
    await tree.commit(appOf('pnpm@10.34.8', 'pnpm', odd), 'forgot the lockfile')
    const said = assertRejected(await tree.push(pilot.remote('pnpm-10-34-8')), 'install_failed').join('\n')
    assert.match(said, /^error: install_failed: package\.json and pnpm-lock\.yaml do not match$/m)
    assert.match(said, /^hint: run "pnpm install" and commit pnpm-lock\.yaml$/m)
  })

  test('each was fetched once', async () => {
    const kept = await readdir(join(home, 'cache/managers'))
    assert.deepEqual(kept.sort(), cases.map(({ spec }) => spec).sort())
  })

  test('two lockfiles are told apart in the output', async () => {
    const tree = trees[0] ?? assert.fail('no tree')
    const manifest = { ...appOf('pnpm@10.34.8', 'pnpm'), 'yarn.lock': '' }
    await tree.commit(manifest, 'two lockfiles')
    const push = await tree.push(pilot.remote('pnpm-10-34-8'))
    assertLive(push)
    assert.match(
      remoteLines(push)
        .join(' ')
        .replace(/[\s|]+/g, ' '),
      /warning: there are pnpm-lock\.yaml and yarn\.lock: pnpm-lock\.yaml is used \(pnpm\), as packageManager says/,
    )
  })
})
