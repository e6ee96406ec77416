import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { unconfined } from '../confine.ts'
import { notIsolated } from '../isolation.ts'
import { currentToolchain } from './dependencies/toolchain.ts'
import { parsePackageJson } from './package-json.ts'
import { type BuildTools, findScript, scriptCommand } from './scripts.ts'

const tools: BuildTools = {
  toolchain: { ...currentToolchain(), node: '/opt/node/bin/node' },
  manager: null,
  confinement: unconfined,
  isolation: notIsolated,
  environment: { PATH: '/usr/bin:/opt/node/bin:/bin' },
  buildHome: '/home/cache/build-home',
  npmCache: '/home/cache/npm',
  npmConfig: { npm_config_registry: 'https://registry.example' },
  limits: { timeoutMs: 1000, maxOutputBytes: 1000 },
}

test("a workspace's script finds commands of its own first, then the app's, then npm's and the system's", () => {
  const packageJson = parsePackageJson('{"name": "a"}')
  const script = {
    event: 'prepare',
    command: 'tsc',
    folder: 'packages/a',
    packageJson,
    npmCommand: 'ci',
    confine: false,
  }
  const npm = { name: 'npm', version: '11.0.0', directory: '/opt/npm', bin: null } as const
  const command = scriptCommand(script, { slug: '/slug', configVars: {} }, tools, npm)
  assert.deepEqual([command.file, ...command.args, command.cwd], ['/bin/sh', '-c', 'tsc', '/slug/packages/a'])
  assert.deepEqual(command.env.PATH?.split(':'), [
    '/slug/packages/a/node_modules/.bin',
    '/slug/packages/node_modules/.bin',
    '/slug/node_modules/.bin',
    '/opt/npm/node_modules/@npmcli/run-script/lib/node-gyp-bin',
    '/opt/node/bin',
    '/usr/bin',
    '/bin',
  ])
  assert.equal(command.env.npm_execpath, '/opt/npm/bin/npm-cli.js')
  assert.equal(command.env.npm_config_registry, 'https://registry.example')
})

test("npm's implicit install script counts, unless the package says otherwise", async (t) => {
  const slug = await mkdtemp(path.join(tmpdir(), 'nodepilot-scripts-'))
  t.after(() => rm(slug, { recursive: true, force: true }))
  const find = (text: string, event = 'install') => findScript(slug, '', parsePackageJson(text), event)
  assert.equal(await find('{}'), null)
  await writeFile(path.join(slug, 'binding.gyp'), '{}')
  assert.equal(await find('{}'), 'node-gyp rebuild')
  assert.equal(await find('{}', 'postinstall'), null)
  assert.equal(await find('{"gypfile": false}'), null)
  assert.equal(await find('{"scripts": {"preinstall": "x"}}'), null)
  assert.equal(await find('{"scripts": {"install": "make"}}'), 'make')
})
