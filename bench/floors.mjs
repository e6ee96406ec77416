// Floors: the least each part can cost on this machine, measured in the same run as what stands on it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { root } from '../scripts/script.mjs'
import { apps, folderOf } from './apps.mjs'
import { firstAnswer } from './live.mjs'
import { quiet } from './machine.mjs'
import { summary } from './statistics.mjs'

const { command } = await import(join(root, 'dist', 'testing', 'command.js'))
const { temporaryDirectory, removeDirectory } = await import(join(root, 'dist', 'testing', 'temporary.js'))

/** `git push` of a one-line commit over the same server, to a branch that is stored and not deployed. Medians, ms. */
export async function pushFloor(pilot, tree, runs) {
  const times = []
  for (let i = 0; i < runs; i++) {
    await tree.change()
    await quiet()
    const pushed = await tree.push(pilot.remote(tree.name), 'main:stored')
    if (pushed.code !== 0) throw new Error(`floor: the push to a stored branch failed:\n${pushed.all}`)
    times.push(pushed.ms)
  }
  return summary(times).median
}

/**
 * What the app itself costs without NodePilot, medians in ms: `boot` (bare node to the first answer), and where
 * it has packages `install` (npm ci, warm cache) and `link` (cp -al), where it has a build `build`.
 */
export async function appFloors(name, runs) {
  const folder = await temporaryDirectory('floor')
  const app = join(folder, 'app')
  try {
    await cp(folderOf(name), app, {
      recursive: true,
      filter: (path) => !/[/\\](node_modules|dist)$/.test(path),
    })
    const floors = {}
    if (apps[name].packages) Object.assign(floors, await packageFloors(folder, app, runs))
    if (apps[name].build) floors.build = await median(runs, () => must('npm', ['run', 'build'], app))
    floors.boot = await median(runs, () => boot(app, apps[name].start))
    return floors
  } finally {
    await removeDirectory(folder)
  }
}

async function packageFloors(folder, app, runs) {
  const modules = join(app, 'node_modules')
  const linked = join(folder, 'linked')
  const install = () => must('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], app)
  await install()
  const installMs = await median(Math.min(runs, 3), install, () => rm(modules, { recursive: true }))
  const linkMs = await median(
    runs,
    () => must('cp', ['-al', modules, linked], folder),
    () => rm(linked, { recursive: true, force: true }),
  )
  return { install: installMs, link: linkMs }
}

async function boot(app, entry) {
  const port = await freePort()
  const began = performance.now()
  const child = spawn(process.execPath, [entry], {
    cwd: app,
    stdio: 'ignore',
    env: { ...process.env, PORT: String(port), NODE_ENV: 'production' },
  })
  const exit = once(child, 'exit')
  const aborter = new AbortController()
  exit.then(() => aborter.abort())
  const ms = await firstAnswer({ port, host: 'localhost', isNew: () => true, began, signal: aborter.signal })
  child.kill('SIGKILL')
  await exit
  if (ms === null) throw new Error(`floor: ${entry} ended instead of answering`)
  return ms
}

async function median(runs, act, prepare = () => {}) {
  const times = []
  for (let i = 0; i < runs; i++) {
    await prepare()
    await quiet()
    times.push(await act())
  }
  return summary(times).median
}

async function must(file, args, cwd) {
  const done = await command(file, args, { cwd, timeoutMs: 300_000 })
  if (done.code !== 0) throw new Error(`floor: ${file} ${args.join(' ')} failed:\n${done.all.slice(-2000)}`)
  return done.ms
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await once(server.close(), 'close')
  return port
}
