// The first deploy of an app, against what its package manager and its build take by themselves with a warm cache.
//
//   npm run build && node bench/first.mjs [--runs 3] [--by npm,bun@1.4.5] [express heavier]
//
// Every first deploy is a new project, before which all kept node_modules are removed; download caches stay warm, as
// they are for the package manager alone. The goal: at most 1.1 x (install + build) + 0.5 s. Then the same app by
// every other package manager, as a ratio to npm.
import { cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../scripts/script.mjs'
import { apps, folderOf } from './apps.mjs'
import { timeToLive } from './live.mjs'
import { quiet } from './machine.mjs'
import { row, summary, table } from './statistics.mjs'

const { command } = await import(join(root, 'dist/testing/command.js'))
const { startPilot } = await import(join(root, 'dist/testing/pilot.js'))
const { removeDirectory, temporaryDirectory } = await import(join(root, 'dist/testing/temporary.js'))
const { workTree } = await import(join(root, 'dist/testing/work-tree.js'))

const everyManager = 'npm,pnpm@10.34.8,yarn@1.22.22,yarn@4.18.1,bun@1.4.5'
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '3' }, by: { type: 'string', default: everyManager } },
})
const runs = Number(values.runs)
const names = positionals.length > 0 ? positionals : ['express', 'heavier']
const managers = values.by.split(',').filter((manager) => manager !== 'npm')

let projects = 0
/** The lockfiles that were written, by app and package manager. */
const locks = new Map()

const pilot = await startPilot()
try {
  for (const name of names) console.log(table(`${name}: the first deploy`, await measure(name)))
} finally {
  await pilot.stop()
}

async function measure(name) {
  // what the first of all fetches is in the cache from then on
  await deploy(name, null)
  const installs = []
  const builds = []
  const firsts = []
  // in turns, so that the machine's mood is in both alike
  for (let i = 0; i < runs; i++) {
    const alone = await floor(name)
    installs.push(alone.install)
    builds.push(alone.build)
    firsts.push(await deploy(name, null))
  }
  const own = summary(installs).median + summary(builds).median
  const first = summary(firsts).median
  const rows = [
    row('npm ci, warm', 'ms', installs),
    ...(apps[name].build ? [row('npm run build', 'ms', builds)] : []),
    row('first deploy, npm', 'ms', firsts, {
      floor: own,
      floorName: '(install + build)',
      goal: own * 1.1 + 500,
    }),
  ]
  for (const manager of managers) {
    console.error(`… ${name}: ${manager}`)
    await deploy(name, manager)
    const times = []
    for (let i = 0; i < runs; i++) times.push(await deploy(name, manager))
    rows.push(row(`first deploy, ${manager}`, 'ms', times, { floor: first, floorName: '(npm)' }))
  }
  return rows
}

/** The same cache as the server's, without NodePilot. */
async function floor(name) {
  const folder = await temporaryDirectory('first')
  try {
    await cp(folderOf(name), folder, {
      recursive: true,
      filter: (path) => !/[/\\](node_modules|dist)$/.test(path),
    })
    const flags = ['--no-audit', '--no-fund', '--prefer-offline', `--cache=${join(pilot.home, 'cache/npm')}`]
    await quiet({ maxMs: 3_000 })
    const install = await must('npm', ['ci', '--include=dev', ...flags], folder)
    const build = apps[name].build ? await must('npm', ['run', 'build'], folder) : 0
    return { install, build }
  } finally {
    await removeDirectory(folder)
  }
}

/** ms to live of a project that has never been. */
async function deploy(name, manager) {
  const tree = await workTree({ copyOf: folderOf(name) })
  const project = `first-${projects++}`
  try {
    if (manager) await convert(tree, name, manager)
    await removeDirectory(join(pilot.home, 'cache/modules'))
    await quiet({ maxMs: 3_000 })
    const { liveMs, output } = await timeToLive(
      { port: pilot.port, host: `${project}.localhost`, isNew: () => true },
      async () => {
        const pushed = await tree.push(pilot.remote(project))
        return { code: pushed.code, output: pushed.all }
      },
    )
    if (liveMs === null) throw new Error(`${name}, ${manager ?? 'npm'}: never live\n${output}`)
    await pilot.api(`/api/project/${project}`, { method: 'DELETE' })
    return liveMs
  } finally {
    await tree.remove()
  }
}

/** Gives it the lockfile of another manager in place of npm's. */
async function convert(tree, name, manager) {
  const file = join(tree.directory, 'package.json')
  const { default: manifest } = await import(join(folderOf(name), 'package.json'), { with: { type: 'json' } })
  await writeFile(file, JSON.stringify({ ...manifest, packageManager: manager }, null, 2))
  await rm(join(tree.directory, 'package-lock.json'))
  await tree.write({ '.gitignore': 'node_modules\ndist\n.yarn\n' })
  const kept = locks.get(`${name} ${manager}`) ?? (await lock(tree, manager))
  locks.set(`${name} ${manager}`, kept)
  await tree.commit(kept, `by ${manager}`)
}

async function lock(tree, manager) {
  const [binary, version] = manager.split('@')
  const lockfile = { pnpm: 'pnpm-lock.yaml', yarn: 'yarn.lock', bun: 'bun.lock' }[binary]
  // without a lockfile it is fetched; what it is called with then is the developer's own call
  const { readFile } = await import('node:fs/promises')
  const bin = join(pilot.home, 'cache/managers', manager, 'node_modules/.bin')
  if (binary === 'yarn') await tree.write({ 'yarn.lock': '' })
  await fetchManager(manager, bin)
  const cafile = (await command('npm', ['config', 'get', 'cafile'])).out.trim()
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    HOME: pilot.home,
    NODE_EXTRA_CA_CERTS: cafile === 'null' ? '' : cafile,
    YARN_NODE_LINKER: version.startsWith('1.') ? '' : 'node-modules',
    YARN_ENABLE_GLOBAL_CACHE: 'true',
  }
  const done = await command(binary, ['install'], { cwd: tree.directory, env, timeoutMs: 300_000 })
  if (done.code !== 0) throw new Error(`${manager}: ${done.all.slice(-2000)}`)
  return { [lockfile]: await readFile(join(tree.directory, lockfile)) }
}

/** A small app that asks for it brings it into the server's cache. */
async function fetchManager(manager, bin) {
  const done = await command('ls', [bin])
  if (done.code === 0) return
  const tree = await workTree({
    'package.json': JSON.stringify({
      name: 'asks',
      packageManager: manager,
      scripts: { start: 'node server.js' },
    }),
    'server.js': "require('node:http').createServer((q, s) => s.end('x')).listen(process.env.PORT)",
  })
  const pushed = await tree.push(pilot.remote(`asks-${projects++}`))
  if (pushed.code !== 0) throw new Error(pushed.all)
  await tree.remove()
}

async function must(file, args, cwd) {
  const done = await command(file, args, { cwd, timeoutMs: 300_000 })
  if (done.code !== 0) throw new Error(`${file} ${args.join(' ')} failed:\n${done.all.slice(-2000)}`)
  return done.ms
}
