import assert from 'node:assert/strict'
import { lstat, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { removeDirectory, temporaryDirectory } from '../../../testing/temporary.ts'
import { isRefusal } from '../../domain/refusal.ts'
import { run } from '../../shell.ts'
import { build } from '../build.ts'
import { parsePackageJson } from '../package-json.ts'
import { managerEnvironment } from '../scripts.ts'
import { createToolchains, type Toolchains, type Tools } from '../toolchain/toolchains.ts'
import { createTestbed, exists, type Testbed, writeFiles } from './testbed.suite.ts'

/** Real package managers from the npm registry, in the versions that their users have. */
const managers = [
  { spec: 'pnpm@10.34.8', lockfile: 'pnpm-lock.yaml', label: 'pnpm install', command: 'pnpm' },
  { spec: 'pnpm@12.21.0', lockfile: 'pnpm-lock.yaml', label: 'pnpm install', command: 'pnpm' },
  { spec: 'yarn@1.22.22', lockfile: 'yarn.lock', label: 'yarn install', command: 'yarn' },
  { spec: 'yarn@4.18.1', lockfile: 'yarn.lock', label: 'yarn install', command: 'yarn' },
  { spec: 'bun@1.4.5', lockfile: 'bun.lock', label: 'bun install', command: 'bun' },
] as const

const away = {
  npm_config_registry: 'http://127.0.0.1:9/',
  pnpm_config_registry: 'http://127.0.0.1:9/',
  BUN_CONFIG_REGISTRY: 'http://127.0.0.1:9/',
  YARN_NPM_REGISTRY_SERVER: 'http://127.0.0.1:9',
  YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
}

const manifest = (spec: string, fields: object = {}) => ({
  name: 'app',
  version: '1.0.0',
  license: 'MIT',
  packageManager: spec,
  dependencies: { 'is-number': '7.0.0' },
  devDependencies: { 'left-pad': '1.3.0' },
  ...fields,
})

describe('package managers', { timeout: 300_000 }, () => {
  let cache: string
  let bed: Testbed
  let toolchains: Toolchains
  const options = { signal: new AbortController().signal, say: () => {} }

  before(async () => {
    cache = await temporaryDirectory('managers')
    bed = await createTestbed({ after: (end) => after(end) })
    toolchains = createToolchains({ cache, tools: bed.dependencies.tools, now: Date.now })
  })
  after(() => removeDirectory(cache))

  async function toolsFor(slug: string): Promise<Tools> {
    const packageJson = parsePackageJson(await readFile(path.join(slug, 'package.json'), 'utf8'))
    const top = { folder: slug, packageJson }
    return toolchains.choose({ folders: [slug], packageJson, node: null, top }, options)
  }

  /** A release with the lockfile that its own package manager writes. */
  async function locked(
    spec: string,
    files: Readonly<Record<string, unknown>>,
  ): Promise<Record<string, unknown>> {
    const folder = await bed.app({ ...files, ...(spec.startsWith('yarn') ? { 'yarn.lock': '' } : {}) })
    const tools = await toolsFor(folder)
    const home = path.join(cache, 'home')
    const env = {
      PATH: toolchains.searchPath(tools),
      HOME: home,
      ...tools.npmConfig,
      ...managerEnvironment(tools.manager),
      YARN_ENABLE_GLOBAL_CACHE: 'true',
      YARN_GLOBAL_FOLDER: path.join(cache, 'yarn'),
    }
    const exit = await run({ file: spec.split('@')[0] ?? '', args: ['install'], cwd: folder, env })
    assert.equal(exit.code, 0, exit.tail.join('\n'))
    const lockfile = managers.find((one) => one.spec === spec)?.lockfile ?? ''
    return { ...files, [lockfile]: await readFile(path.join(folder, lockfile)) }
  }

  async function install(slug: string, npmConfig: Readonly<Record<string, string>> = {}) {
    const tools = await toolsFor(slug)
    return bed.install(slug, { tools: { ...tools, npmConfig: { ...tools.npmConfig, ...npmConfig } } })
  }

  for (const { spec, lockfile, label, command } of managers) {
    describe(spec, () => {
      let files: Record<string, unknown>

      before(async () => {
        const scripts = {
          build: `${command} run hello`,
          hello: 'node -e "require(\'left-pad\'); console.log(42)"',
        }
        files = await locked(spec, { 'package.json': manifest(spec, { scripts }) })
      })

      test('installs what the lockfile says, once, and shares it', async () => {
        const [one, two] = [await bed.app(files), await bed.app({ ...files, 'index.js': 'x' })]
        const first = await install(one)
        assert.equal(first.note, `${label}, Node ${process.versions.node}`)
        assert.equal(first.shared, bed.confinement.kind === 'permissions')
        assert.deepEqual(await install(two, away), { ...first, note: '2 packages kept' })
        const at = (slug: string) => stat(path.join(slug, 'node_modules/is-number/index.js'))
        assert.equal((await at(one)).ino, (await at(two)).ino)
        assert.equal((await at(one)).mode & 0o777, 0o444)
        const required = await run({
          file: process.execPath,
          args: ['-p', 'require("is-number")(5)'],
          cwd: two,
          env: {},
        })
        assert.deepEqual(required.tail, ['true'])
        for (const leftover of ['.yarn', '.pnp.cjs'])
          assert.equal(await exists(path.join(two, leftover)), false)
      })

      test('builds with commands that call it', async () => {
        const slug = await bed.app(files)
        await install(slug)
        const said: string[] = []
        const { note } = await build({
          slug,
          packageJson: parsePackageJson(await readFile(path.join(slug, 'package.json'), 'utf8')),
          tools: await toolsFor(slug),
          configVars: {},
          say: (line) => void said.push(line),
          signal: options.signal,
          dependencies: bed.dependencies,
        })
        assert.equal(note, `${command} run build`)
        assert.ok(said.includes('42'), said.join('\n'))
      })

      test('refuses a lockfile that does not match, with the command that mends it', async () => {
        const dependencies = { 'is-number': '7.0.0', 'is-odd': '3.0.1' }
        const slug = await bed.app({ ...files, 'package.json': manifest(spec, { dependencies }) })
        await assert.rejects(install(slug), (error) => {
          assert.ok(isRefusal(error, 'install_failed'), String(error))
          assert.equal(error.message, `package.json and ${lockfile} do not match`)
          assert.equal(error.hint, `run "${label}" and commit ${lockfile}`)
          return true
        })
      })

      test('names a registry that cannot be reached', async () => {
        // others keep what they have downloaded; this one has not been
        const odd = await locked(spec, {
          'package.json': manifest(spec, { dependencies: { 'is-odd': '3.0.1' } }),
        })
        for (const store of ['pnpm', 'yarn', 'yarn-1', 'bun']) {
          await rm(path.join(bed.home, 'cache', store), { recursive: true, force: true })
        }
        await assert.rejects(install(await bed.app(odd), away), (error) => {
          assert.ok(isRefusal(error, 'install_failed'), String(error))
          assert.match(error.message, /^the npm registry cannot be reached \(/)
          return true
        })
      })

      test('installs without a lockfile, and says what to commit', async () => {
        const slug = await bed.app({ 'package.json': manifest(spec) })
        bed.said.length = 0
        assert.equal((await install(slug)).shared, false)
        assert.match(bed.said.join('\n'), new RegExp(`hint: commit ${lockfile.replaceAll('.', '\\.')}`))
        assert.equal(await exists(path.join(slug, 'node_modules/left-pad/index.js')), true)
      })

      test('names a package that does not exist, and a version that does not', async () => {
        const asking = (dependencies: object) => bed.app({ 'package.json': manifest(spec, { dependencies }) })
        await assert.rejects(
          install(await asking({ 'is-number': '99.0.0' })),
          /no matching version found for is-number@99\.0\.0/,
        )
        await assert.rejects(
          install(await asking({ 'nodepilot-no-such-package': '1.0.0' })),
          /has no package nodepilot-no-such-package/,
        )
      })

      test('installs the workspaces of a monorepo, and runs their own scripts', async () => {
        const workspace = spec.startsWith('yarn@1') ? '1.0.0' : 'workspace:*'
        const packages = {
          'package.json': manifest(spec, { private: true, workspaces: ['packages/*'] }),
          'pnpm-workspace.yaml': 'packages:\n  - "packages/*"\n',
          'packages/a/package.json': {
            name: 'a',
            version: '1.0.0',
            license: 'MIT',
            dependencies: { b: workspace, 'is-number': '6.0.0' },
            scripts: { postinstall: "node -e \"require('fs').writeFileSync('made', require('b'))\"" },
          },
          'packages/a/index.js': 'console.log(require("b"), require("is-number/package.json").version)',
          'packages/b/package.json': { name: 'b', version: '1.0.0', license: 'MIT', main: 'index.js' },
          'packages/b/index.js': 'module.exports = "from b"',
        }
        const monorepo = await locked(spec, packages)
        for (const note of [/install, Node/, /packages kept/]) {
          const slug = await bed.app(monorepo)
          assert.match((await install(slug)).note, note)
          assert.equal(await readFile(path.join(slug, 'packages/a/made'), 'utf8'), 'from b')
          const ran = await run({ file: process.execPath, args: ['packages/a'], cwd: slug, env: {} })
          assert.deepEqual(ran.tail, ['from b 6.0.0'])
        }
      })
    })
  }

  test("pnpm's links lead to the release's own files", async () => {
    const files = await locked('pnpm@10.34.8', { 'package.json': manifest('pnpm@10.34.8') })
    const slug = await bed.app(files)
    await install(slug)
    const link = path.join(slug, 'node_modules/is-number')
    assert.ok((await lstat(link)).isSymbolicLink())
    assert.equal(await readlink(link), '.pnpm/is-number@7.0.0/node_modules/is-number')
  })

  test('a version that packageManager names is taken exactly, and kept for the next time', async () => {
    const kept = await readdir(path.join(cache, 'managers'))
    for (const { spec } of managers) assert.ok(kept.includes(spec), kept.join(' '))
  })

  test('a hash in packageManager is compared', async () => {
    const wrong = `sha512.${'0'.repeat(128)}`
    const slug = await bed.app({ 'package.json': manifest(`pnpm@10.34.8+${wrong}`) })
    await assert.rejects(toolsFor(slug), /pnpm@10\.34\.8 is not the one whose sha512 packageManager names/)
    const hashes = JSON.parse(await readFile(path.join(cache, 'managers/pnpm@10.34.8/hashes.json'), 'utf8'))
    for (const algorithm of ['sha1', 'sha224', 'sha512']) {
      await writeFiles(slug, { 'package.json': manifest(`pnpm@10.34.8+${algorithm}.${hashes[algorithm]}`) })
      assert.equal((await toolsFor(slug)).manager?.version, '10.34.8')
    }
  })

  test('a package manager that does not work with the Node of the app is refused by name', async () => {
    const slug = await bed.app({ 'package.json': manifest('pnpm@11.28.10') })
    const refusal = toolchains.choose(
      {
        folders: [slug],
        packageJson: parsePackageJson(JSON.stringify(manifest('pnpm@11.28.10'))),
        node: { asked: process.versions.node, origin: 'test' },
        top: { folder: slug, packageJson: parsePackageJson(JSON.stringify(manifest('pnpm@11.28.10'))) },
      },
      options,
    )
    if (Number(process.versions.node.split('.')[0]) >= 22) return void (await refusal)
    await assert.rejects(refusal, /pnpm 11\.28\.10 does not work with Node /)
  })
})
