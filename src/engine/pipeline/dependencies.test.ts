import assert from 'node:assert/strict'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { appendFile, chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '../../testing/until.ts'
import { confined, unconfined } from '../confine.ts'
import { isRefusal } from '../domain/refusal.ts'
import { processesWithEnvironment, run } from '../shell.ts'
import { build } from './build.ts'
import {
  createTestbed,
  exists,
  lockfile,
  packArchive,
  type Testbed,
  type TestbedOptions,
  writeFiles,
} from './dependencies/testbed.suite.ts'
import { createDependencies } from './dependencies.ts'
import { readPackageJson } from './package-json.ts'

/** No registry answers here: what these apps need comes along with them. */
const offline = { npm_config_registry: 'http://127.0.0.1:9/', npm_config_fetch_retries: '0' }
const tool = 'node_modules/tool/index.js'

/** An app with one dependency, `tool`, in an archive of its own, that has an install script of its own. */
async function toolApp(
  bed: Testbed,
  app: Record<string, unknown> = {},
  toolScripts?: Record<string, string>,
) {
  const archive = await packArchive(bed.home, {
    'package.json': { name: 'tool', version: '1.0.0', bin: 'cli.js', scripts: toolScripts ?? {} },
    'index.js': 'module.exports = "tool"\n',
    'cli.js': '#!/usr/bin/env node\nconsole.log("tool ran")\n',
  })
  const packageJson = { name: 'app', version: '1.0.0', devDependencies: { tool: 'file:tool.tgz' }, ...app }
  const entry = {
    version: '1.0.0',
    resolved: 'file:tool.tgz',
    dev: true,
    bin: { tool: 'cli.js' },
    ...(toolScripts ? { hasInstallScript: true } : {}),
  }
  return {
    'package.json': packageJson,
    'package-lock.json': lockfile(packageJson, { 'node_modules/tool': entry }),
    'tool.tgz': archive,
  }
}

async function bedWithTool(t: TestContext, app: Record<string, unknown> = {}, options: TestbedOptions = {}) {
  const bed = await createTestbed(t, { npmConfig: offline, ...options })
  const files = await toolApp(bed, app)
  return { bed, files, release: () => bed.app(files) }
}

const asApp = (bed: Testbed, cwd: string, script: string) =>
  run(
    confined(bed.confinement, {
      file: 'sh',
      args: ['-c', script],
      cwd,
      env: { PATH: process.env.PATH ?? '' },
    }),
  )

const read = (...parts: string[]) => readFile(path.join(...parts), 'utf8')
const job = async (bed: Testbed, slug: string) => ({
  slug,
  packageJson: await readPackageJson(slug),
  configVars: {},
  say: (line: string) => void bed.said.push(line),
  signal: new AbortController().signal,
  dependencies: bed.dependencies,
})

test('the same lockfile twice starts npm once, whatever else changed', async (t) => {
  const { bed, files, release } = await bedWithTool(t)
  const first = await bed.install(await release())
  assert.match(first.note, /^npm ci, Node \d+\.\d+\.\d+$/)
  const changed = { ...(files['package.json'] as object), version: '2.0.0', scripts: { start: 'node .' } }
  const second = await bed.app({ ...files, 'package.json': changed, 'index.js': '' })
  assert.equal((await bed.install(second)).note, '1 package kept')
  assert.equal((await bed.npmRuns()).length, 1)
  assert.equal(await read(second, tool), 'module.exports = "tool"\n')
})

test('releases share the files of a kept tree, read-only', async (t) => {
  const { bed, release } = await bedWithTool(t)
  const [one, two] = [await release(), await release()]
  assert.equal((await bed.install(one)).shared, bed.confinement.kind === 'permissions')
  await bed.install(two)
  const [a, b] = [await stat(path.join(one, tool)), await stat(path.join(two, tool))]
  assert.equal(a.ino, b.ino)
  assert.equal(a.mode & 0o777, 0o444)
  assert.equal((await stat(path.join(one, 'node_modules/tool/cli.js'))).mode & 0o777, 0o555)
})

test('an app that writes to a file of its dependencies changes neither the kept copy nor another release', async (t) => {
  const { bed, release } = await bedWithTool(t)
  const [one, two] = [await release(), await release()]
  await bed.install(one)
  await bed.install(two)
  const append = await asApp(bed, one, `echo bad >>${tool}`)
  assert.notEqual(append.code, 0)
  if (bed.confinement.keptOwner !== null) {
    assert.notEqual((await asApp(bed, one, `chmod u+w ${tool}`)).code, 0)
    assert.notEqual((await asApp(bed, one, `touch ${tool}`)).code, 0)
  }
  // Replacing a file, and adding one, concerns this release alone.
  const replace = await asApp(
    bed,
    one,
    `rm ${tool} && echo mine >${tool} && echo new >node_modules/tool/new.js`,
  )
  assert.equal(replace.code, 0, replace.tail.join('\n'))
  assert.equal(await read(one, tool), 'mine\n')
  const three = await release()
  await bed.install(three)
  for (const slug of [two, three]) {
    assert.equal(await read(slug, tool), 'module.exports = "tool"\n')
    assert.equal(await exists(path.join(slug, 'node_modules/tool/new.js')), false)
  }
  assert.equal((await bed.npmRuns()).length, 1)
})

test('a change in place from outside is found at the next link, and healed', async (t) => {
  const { bed, release } = await bedWithTool(t)
  const one = await release()
  await bed.install(one)
  await chmod(path.join(one, tool), 0o644)
  await appendFile(path.join(one, tool), '// bad\n')
  const two = await release()
  await bed.install(two)
  assert.equal(await read(two, tool), 'module.exports = "tool"\n')
  assert.match(bed.said.join('\n'), /changed from outside/)
  assert.equal((await bed.npmRuns()).length, 2)
  assert.equal((await bed.kept()).length, 1)
})

test('a mode changed from outside is put right without an install', async (t) => {
  const { bed, release } = await bedWithTool(t)
  const one = await release()
  await bed.install(one)
  await chmod(path.join(one, tool), 0o666)
  const two = await release()
  await bed.install(two)
  assert.equal((await stat(path.join(two, tool))).mode & 0o777, 0o444)
  assert.equal((await bed.npmRuns()).length, 1)
})

test('where permissions do not bind, every release gets writable files of its own', async (t) => {
  const { bed, release } = await bedWithTool(t, {}, { confinement: unconfined })
  const [one, two] = [await release(), await release()]
  assert.equal((await bed.install(one)).shared, false)
  await bed.install(two)
  await appendFile(path.join(one, tool), '// mine\n')
  assert.equal(await read(two, tool), 'module.exports = "tool"\n')
  assert.equal((await stat(path.join(one, tool))).mode & 0o777, 0o644)
  assert.equal((await bed.npmRuns()).length, 1)
})

test('what a build leaves in HOME is not obeyed when packages for others are installed', async (t) => {
  const bed = await createTestbed(t, { npmConfig: offline })
  const files = await toolApp(bed, {}, { postinstall: 'echo made >made.txt' })
  const home = bed.dependencies.tools.buildHome
  const canary = path.join(bed.home, 'obeyed')
  await writeFiles(home, {
    'evil.sh': `#!/bin/sh\ntouch '${canary}'\n`,
    '.npmrc': `script-shell=${path.join(home, 'evil.sh')}\n`,
  })
  await chmod(path.join(home, 'evil.sh'), 0o755)
  const slug = await bed.app(files)
  await bed.install(slug)
  assert.equal(await exists(canary), false)
  assert.equal(await read(slug, 'node_modules/tool/made.txt'), 'made\n')
})

test("a patch by the app's postinstall works in place, runs every time and stays in its release", async (t) => {
  const scripts = {
    postinstall: `printf '// %s\\n' "$(cat source.txt)" >>${tool}; tool; echo "$npm_lifecycle_event" >ran`,
  }
  const { bed, files } = await bedWithTool(t, { scripts })
  const [one, two] = [
    await bed.app({ ...files, 'source.txt': 'one' }),
    await bed.app({ ...files, 'source.txt': 'two' }),
  ]
  assert.equal((await bed.install(one)).shared, false)
  assert.equal((await bed.install(two)).note, '1 package kept')
  assert.equal(await read(one, tool), 'module.exports = "tool"\n// one\n')
  assert.equal(await read(two, tool), 'module.exports = "tool"\n// two\n')
  assert.equal(await read(two, 'ran'), 'postinstall\n')
  assert.ok(bed.said.includes('tool ran'))
  assert.equal((await bed.npmRuns()).length, 1)
  // And an app with the same lockfile, without the script, finds the original.
  const plain = await bed.app(
    await toolApp(bed).then((fresh) => ({ ...fresh, 'tool.tgz': files['tool.tgz'] })),
  )
  await bed.install(plain)
  assert.equal(await read(plain, tool), 'module.exports = "tool"\n')
})

test("the app's own scripts run in npm's order", async (t) => {
  const events = [
    'postprepare',
    'prepare',
    'install',
    'preinstall',
    'postinstall',
    'prepublish',
    'preprepare',
  ]
  const scripts = Object.fromEntries(events.map((event) => [event, 'echo $npm_lifecycle_event >>order']))
  const { bed, release } = await bedWithTool(t, { scripts })
  const slug = await release()
  await bed.install(slug)
  const order = ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare']
  assert.deepEqual((await read(slug, 'order')).trim().split('\n'), order)
})

test("an app's own script that fails refuses the release by name, and the tree stays kept", async (t) => {
  const { bed, release } = await bedWithTool(t, { scripts: { prepare: 'exit 3' } })
  const failure = await bed.install(await release()).catch((error) => error)
  assert.ok(isRefusal(failure, 'install_failed'))
  assert.equal(failure.message, 'the app\'s own script "prepare" exited with code 3')
  await assert.rejects(bed.install(await release()))
  assert.equal((await bed.npmRuns()).length, 1)
})

test('husky has nothing to set up, and the tree stays shared', async (t) => {
  const { bed, release } = await bedWithTool(t, { scripts: { prepare: 'husky || true' } })
  const { shared } = await bed.install(await release())
  assert.equal(shared, bed.confinement.kind === 'permissions')
})

test("a dependency's install script runs once, and its output is kept", async (t) => {
  const bed = await createTestbed(t, { npmConfig: offline })
  const files = await toolApp(bed, {}, { postinstall: 'echo made >made.txt; touch /dev/null' })
  const [one, two] = [await bed.app(files), await bed.app(files)]
  await bed.install(one)
  await bed.install(two)
  assert.equal(await read(two, 'node_modules/tool/made.txt'), 'made\n')
  assert.equal((await bed.npmRuns()).length, 1)
})

test('development dependencies and their commands are there for the build', async (t) => {
  const { bed, release } = await bedWithTool(t, { scripts: { build: 'tool' } })
  const slug = await release()
  await bed.install(slug)
  assert.equal((await build(await job(bed, slug))).note, 'npm run build')
  assert.ok(bed.said.includes('tool ran'))
})

test('a build that writes to its dependencies gets files of its own and runs once more', async (t) => {
  const { bed, release } = await bedWithTool(t, {
    scripts: { build: `echo run >>runs && echo built >>${tool}` },
  })
  const [one, two] = [await release(), await release()]
  await bed.install(one)
  await bed.install(two)
  const { note } = await build(await job(bed, one))
  assert.equal(await read(one, tool), 'module.exports = "tool"\nbuilt\n')
  assert.equal(await read(two, tool), 'module.exports = "tool"\n')
  if (bed.confinement.kind === 'permissions') {
    assert.equal(note, 'npm run build, own node_modules')
    assert.equal(await read(one, 'runs'), 'run\nrun\n')
  }
})

test('workspaces are linked into the app, with their modules, their commands and their own scripts', async (t) => {
  const bed = await createTestbed(t, { npmConfig: offline })
  const { 'tool.tgz': archive } = await toolApp(bed)
  const root = { name: 'mono', workspaces: ['packages/*'], scripts: { build: 'say-hi && node use.js' } }
  const greeter = {
    name: 'greeter',
    version: '1.0.0',
    bin: { 'say-hi': 'hi.js' },
    dependencies: { tool: 'file:../../tool.tgz' },
  }
  const files = {
    'package.json': root,
    'package-lock.json': lockfile(root, {
      'node_modules/greeter': { resolved: 'packages/greeter', link: true },
      'packages/greeter': { ...greeter, hasInstallScript: true },
      'packages/greeter/node_modules/tool': { version: '1.0.0', resolved: 'file:tool.tgz' },
    }),
    'tool.tgz': archive,
    'use.js': 'console.log(require("greeter"))',
    'packages/greeter/package.json': {
      ...greeter,
      scripts: { prepare: 'echo "module.exports = 42" >index.js' },
    },
    'packages/greeter/hi.js': '#!/usr/bin/env node\nconsole.log("hi", require("tool"))\n',
  }
  const [one, two] = [await bed.app(files), await bed.app(files)]
  for (const slug of [one, two]) {
    bed.said.length = 0
    await bed.install(slug)
    await build(await job(bed, slug))
    assert.ok(bed.said.includes('hi tool'), bed.said.join('\n'))
    assert.ok(bed.said.includes('42'))
  }
  assert.equal((await bed.npmRuns()).length, 1)
})

test('another Node ABI installs anew and keeps both', async (t) => {
  const { bed, release } = await bedWithTool(t)
  await bed.install(await release())
  const { tools } = bed.dependencies
  const other = createDependencies({
    cache: path.join(bed.home, 'cache'),
    now: Date.now,
    tools: { ...tools, toolchain: { ...tools.toolchain, nodeAbi: '999' } },
  })
  await bed.install(await release(), { dependencies: other })
  await bed.install(await release())
  assert.equal((await bed.npmRuns()).length, 2)
  assert.equal((await bed.kept()).length, 2)
})

test('no-cache installs anew and replaces what is kept', async (t) => {
  const { bed, release } = await bedWithTool(t)
  const one = await release()
  await bed.install(one)
  const two = await release()
  assert.match((await bed.install(two, { noCache: true })).note, /^npm ci/)
  const three = await release()
  assert.equal((await bed.install(three)).note, '1 package kept')
  const inode = async (slug: string) => (await stat(path.join(slug, tool))).ino
  if (bed.confinement.kind === 'permissions') assert.equal(await inode(three), await inode(two))
  assert.notEqual(await inode(one), await inode(two))
  assert.equal((await bed.kept()).length, 1)
})

test('three deploys of one lockfile at once install once', async (t) => {
  const { bed, release } = await bedWithTool(t)
  const slugs = [await release(), await release(), await release()]
  const results = await Promise.all(slugs.map((slug) => bed.install(slug)))
  assert.equal(results.filter(({ note }) => note === '1 package kept').length, 2)
  for (const slug of slugs) assert.equal(await read(slug, tool), 'module.exports = "tool"\n')
  assert.equal((await bed.npmRuns()).length, 1)
})

test('a cancelled install leaves no process and no half-made tree, and who waited goes on', async (t) => {
  const bed = await createTestbed(t, { npmConfig: offline })
  const started = path.join(bed.home, 'started')
  await mkdir(started)
  const mark = `slow-${path.basename(bed.home)}`
  const files = await toolApp(
    bed,
    {},
    {
      postinstall: `export MARK=${mark}; [ -e ${started}/go ] || { touch ${started}/one; exec sleep 100; }`,
    },
  )
  const [one, two] = [await bed.app(files), await bed.app(files)]
  const controller = new AbortController()
  const watching = watchFor(started)
  const cancelled = bed.install(one, { signal: controller.signal })
  const settled = assert.rejects(cancelled, (error) => isRefusal(error, 'cancelled'))
  await watching
  const waiting = bed.install(two)
  await writeFile(path.join(started, 'go'), '')
  await until('the script runs', async () => (await processesWithEnvironment(`MARK=${mark}`)).length === 1)
  controller.abort()
  await settled
  await waiting
  assert.deepEqual(await processesWithEnvironment(`MARK=${mark}`), [])
  assert.equal((await bed.kept()).filter((name) => name.startsWith('.')).length, 0)
  assert.equal(await read(two, tool), 'module.exports = "tool"\n')
})

test('what a killed server left half-made is removed at the next start, and nothing else', async (t) => {
  const { bed, release } = await bedWithTool(t)
  await bed.install(await release())
  await mkdir(path.join(bed.home, 'cache/modules/.new-crashed/tree/node_modules'), { recursive: true })
  await mkdir(path.join(bed.home, 'cache/modules/.old-crashed'))
  assert.equal(await bed.dependencies.cleanLeftovers(), 2)
  assert.equal((await bed.kept()).length, 1)
  assert.equal((await bed.install(await release())).note, '1 package kept')
})

test('trees that nobody used for long are removed; releases keep their files', async (t) => {
  const { bed, release } = await bedWithTool(t)
  const slug = await release()
  await bed.install(slug)
  assert.equal(await bed.dependencies.prune({ maxAgeMs: -1000, keep: 1 }), 0)
  assert.equal(await bed.dependencies.prune({ maxAgeMs: 60_000, keep: 0 }), 0)
  assert.equal(await bed.dependencies.prune({ maxAgeMs: -1000, keep: 0 }), 1)
  assert.deepEqual(await bed.kept(), [])
  assert.equal(await read(slug, tool), 'module.exports = "tool"\n')
})

test('an app without dependencies never starts npm, and still runs its own scripts', async (t) => {
  const bed = await createTestbed(t)
  const packageJson = { name: 'plain', scripts: { postinstall: 'echo "$npm_package_name" >name' } }
  const slug = await bed.app({ 'package.json': packageJson, 'package-lock.json': lockfile(packageJson, {}) })
  assert.equal((await bed.install(slug)).note, 'no dependencies')
  assert.equal(await read(slug, 'name'), 'plain\n')
  assert.deepEqual(await bed.npmRuns(), [])
})

test('committed node_modules give way to the installed ones', async (t) => {
  const { bed, files } = await bedWithTool(t)
  const slug = await bed.app({ ...files, 'node_modules/stale/index.js': 'old', [tool]: 'old' })
  await bed.install(slug)
  assert.deepEqual(
    (await readdir(path.join(slug, 'node_modules'))).filter((name) => !name.startsWith('.')),
    ['tool'],
  )
  assert.equal(await read(slug, tool), 'module.exports = "tool"\n')
})

test('without a lockfile npm installs in place, and says what to do about it', async (t) => {
  const { bed, files } = await bedWithTool(t)
  const { 'package-lock.json': _, ...rest } = files
  const slug = await bed.app(rest)
  assert.match((await bed.install(slug)).note, /^npm install/)
  assert.match(
    bed.said.join('\n'),
    /hint: commit package-lock\.json: the same versions every time, and no npm when/,
  )
  assert.equal(await exists(path.join(slug, 'package-lock.json')), false)
  assert.equal(await read(slug, tool), 'module.exports = "tool"\n')
})

test('a lockfile that npm can only install in place is installed in place, with the reason', async (t) => {
  const { bed, files } = await bedWithTool(t)
  const slug = await bed.app({ ...files, '.npmrc': 'install-links=true\n' })
  assert.equal((await bed.install(slug)).shared, false)
  assert.match(bed.said.join('\n'), /cannot be kept for the next time: \.npmrc sets install-links/)
  assert.equal(await read(slug, tool), 'module.exports = "tool"\n')
})

test('a lockfile that does not match package.json is refused with the way out', async (t) => {
  const { bed, files } = await bedWithTool(t)
  const packageJson = { ...(files['package.json'] as object), dependencies: { second: 'file:tool.tgz' } }
  const failure = await bed
    .install(await bed.app({ ...files, 'package.json': packageJson }))
    .catch((error) => error)
  assert.ok(isRefusal(failure, 'install_failed'), String(failure))
  assert.equal(failure.message, 'package.json and package-lock.json do not match')
  assert.equal(failure.hint, 'run "npm install" and commit package-lock.json')
  assert.deepEqual(await bed.kept(), [])
})

test('an unreachable registry is named', async (t) => {
  const bed = await createTestbed(t, { npmConfig: offline })
  const packageJson = { name: 'app', dependencies: { 'is-number': '7.0.0' } }
  const entry = { version: '7.0.0', resolved: 'http://127.0.0.1:9/is-number/-/is-number-7.0.0.tgz' }
  const slug = await bed.app({
    'package.json': packageJson,
    'package-lock.json': lockfile(packageJson, { 'node_modules/is-number': entry }),
  })
  const failure = await bed.install(slug).catch((error) => error)
  assert.ok(isRefusal(failure, 'install_failed'))
  assert.equal(failure.message, 'the npm registry cannot be reached (ECONNREFUSED)')
  assert.deepEqual(await bed.kept(), [])
})

test('packages of the npm registry are installed once, then linked while it is out of reach', async (t) => {
  const bed = await createTestbed(t)
  const packageJson = { name: 'app', dependencies: { 'is-number': '7.0.0' } }
  const entry = {
    version: '7.0.0',
    integrity:
      'sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng==',
  }
  const files = {
    'package.json': packageJson,
    'package-lock.json': lockfile(packageJson, { 'node_modules/is-number': entry }),
  }
  await bed.install(await bed.app(files))
  const { tools } = bed.dependencies
  const cut = createDependencies({
    cache: path.join(bed.home, 'cache'),
    now: Date.now,
    tools: { ...tools, npmConfig: offline },
  })
  const slug = await bed.app(files)
  assert.equal((await bed.install(slug, { dependencies: cut })).note, '1 package kept')
  assert.equal(await exists(path.join(slug, 'node_modules/is-number/index.js')), true)
})

async function watchFor(directory: string): Promise<void> {
  const watcher = watch(directory)
  await once(watcher, 'change')
  watcher.close()
}
