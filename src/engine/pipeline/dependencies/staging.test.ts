import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { isRefusal } from '../../domain/refusal.ts'
import { parsePackageJson } from '../package-json.ts'
import { parseLockfile, readLockfile } from './lockfile.ts'
import { fingerprint, planStaging } from './staging.ts'
import { lockfile, writeFiles } from './testbed.suite.ts'
import { currentToolchain, findNpm, type PackageManager, type Toolchain } from './toolchain.ts'
import { workspaceFolders } from './workspaces.ts'

const toolchain = currentToolchain()
const npm: PackageManager = { name: 'npm', version: '11.0.0', directory: null, bin: null }

interface Change {
  readonly app?: Record<string, unknown>
  readonly files?: Record<string, unknown>
  readonly toolchain?: Partial<Toolchain>
  readonly npm?: Partial<PackageManager>
  readonly variables?: Record<string, string>
}

async function folder(t: TestContext, files: Record<string, unknown>): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'nodepilot-staging-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  await writeFiles(directory, files)
  return directory
}

async function hashOf(t: TestContext, change: Change = {}): Promise<string> {
  const app = { name: 'app', version: '1.0.0', dependencies: { a: '1.0.0' }, ...change.app }
  const slug = await folder(t, {
    'package-lock.json': lockfile({ name: 'app' }, { 'node_modules/a': { version: '1.0.0' } }),
    ...change.files,
  })
  const lock = await readLockfile(slug)
  assert.ok(lock)
  const staging = await planStaging(slug, parsePackageJson(JSON.stringify(app)), lock)
  return fingerprint(
    staging,
    { ...toolchain, ...change.toolchain },
    { ...npm, ...change.npm },
    change.variables ?? {},
  )
}

test('the same dependencies have the same name, whatever else the app is', async (t) => {
  const same = await hashOf(t)
  assert.match(same, /^[0-9a-f]{64}$/)
  assert.equal(
    await hashOf(t, {
      app: { name: 'other', version: '2.0.0', scripts: { build: 'x' }, devDependencies: {} },
    }),
    same,
  )
  assert.equal(await hashOf(t, { files: { 'index.js': 'changed' } }), same)
})

test('everything that decides what is installed changes the name', async (t) => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how .npmrc names a variable
  const npmrc = { '.npmrc': '//registry.example.org/:_authToken=${NPM_TOKEN}\n' }
  const changes: readonly Change[] = [
    {},
    { app: { dependencies: { a: '1.0.1' } } },
    { app: { devDependencies: { b: '1.0.0' } } },
    { app: { overrides: { c: '1.0.0' } } },
    { files: { 'package-lock.json': lockfile({ name: 'app' }, { 'node_modules/a': { version: '1.0.1' } }) } },
    { files: { 'npm-shrinkwrap.json': lockfile({ name: 'app' }, {}) } },
    { files: npmrc },
    { files: npmrc, variables: { NPM_TOKEN: 'one' } },
    { files: npmrc, variables: { NPM_TOKEN: 'two' } },
    { toolchain: { nodeAbi: '999' } },
    { toolchain: { arch: 'other' } },
    { toolchain: { platform: 'other' } },
    { toolchain: { libc: 'other' } },
    { npm: { version: '10.0.0' } },
  ]
  const hashes = await Promise.all(changes.map((change) => hashOf(t, change)))
  assert.equal(new Set(hashes).size, changes.length)
})

test('the places of modules, links and archives are read from the lockfile', () => {
  const packages = {
    'node_modules/a': { version: '1.0.0' },
    'node_modules/x': { resolved: 'packages/x', link: true },
    'packages/x': { version: '1.0.0' },
    'packages/x/node_modules/@s/b': { version: '1.0.0', resolved: 'file:vendor/b.tgz' },
    'node_modules/@prisma/client': { version: '6.0.0', hasInstallScript: true },
  }
  const parsed = parseLockfile('package-lock.json', Buffer.from(JSON.stringify(lockfile({}, packages))))
  assert.deepEqual(parsed.roots, ['', 'packages/x'])
  assert.deepEqual(parsed.links, ['packages/x'])
  assert.deepEqual(parsed.archives, ['vendor/b.tgz'])
  assert.deepEqual(parsed.readers, ['node_modules/@prisma/client'])
  assert.equal(parsed.unkeepable, null)
})

test('a lockfile that leads out of the app is never staged', () => {
  const outside: readonly Record<string, unknown>[] = [
    { '../../etc/node_modules/a': { version: '1.0.0' } },
    { 'node_modules/a': { resolved: '../a', link: true } },
    { 'node_modules/a': { version: '1.0.0', resolved: 'file:/etc/a.tgz' } },
    { 'node_modules/a': { version: '1.0.0', resolved: 'file:folder' } },
  ]
  for (const packages of outside) {
    const parsed = parseLockfile('package-lock.json', Buffer.from(JSON.stringify(lockfile({}, packages))))
    assert.notEqual(parsed.unkeepable, null, JSON.stringify(packages))
  }
})

test('a broken lockfile is refused by name', () => {
  for (const text of ['{', '[]', '{"packages": 3}']) {
    const parse = () => parseLockfile('package-lock.json', Buffer.from(text))
    assert.throws(
      parse,
      (error) => isRefusal(error, 'install_failed') && error.message === 'package-lock.json is broken',
    )
  }
})

test('workspaces are found by plain names, stars and exclusions, never outside', async (t) => {
  const names = ['a', 'libs/b', 'libs/c', 'deep/x/y/d', 'libs/node_modules/no', '.hidden/e']
  const root = await folder(
    t,
    Object.fromEntries([...names.map((name) => [`${name}/package.json`, '{}']), ['libs/empty/x', '']]),
  )
  assert.deepEqual(await workspaceFolders(root, ['a', './libs/*', '!libs/c']), ['a', 'libs/b'])
  assert.deepEqual(await workspaceFolders(root, ['deep/**']), ['deep/x/y/d'])
  assert.deepEqual(await workspaceFolders(root, ['../*', '/etc', 'missing/*']), [])
})

test('npm is found and told apart without running it', async (t) => {
  const directory = await folder(t, {
    'real/lib/npm/package.json': { name: 'npm', version: '10.9.0' },
    'real/lib/npm/bin/npm-cli.js': '',
    'shim/npm': '#!/bin/sh\nexit 1\n',
  })
  const { chmod, mkdir, symlink } = await import('node:fs/promises')
  await mkdir(path.join(directory, 'real/bin'))
  await symlink('../lib/npm/bin/npm-cli.js', path.join(directory, 'real/bin/npm'))
  await chmod(path.join(directory, 'shim/npm'), 0o755)
  const [real, shim] = [path.join(directory, 'real/bin'), path.join(directory, 'shim')]
  assert.equal((await findNpm(real))?.version, '10.9.0')
  assert.match((await findNpm(`${shim}:${real}`))?.version ?? '', /^[0-9a-f]{12}\+10\.9\.0$/)
  assert.equal((await findNpm(shim))?.directory, null)
  assert.equal(await findNpm('/nonexistent:relative'), null)
})
