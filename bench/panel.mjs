// Lists and pages of a server with 100 projects and 10,000 deployments: requests a second, time to the first byte.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { root } from '../scripts/script.mjs'
import { quiet } from './machine.mjs'
import { row } from './statistics.mjs'

const dist = (...parts) => import(join(root, 'dist', ...parts))
const { openDatabase } = await dist('engine', 'store', 'database.js')
const { plainPlan } = await dist('engine', 'domain', 'release-plan.js')
const { openKeyRing } = await dist('engine', 'store', 'key-ring.js')
const { createStore } = await dist('engine', 'store', 'store.js')
const { createVault } = await dist('engine', 'store', 'vault.js')
const { appProcesses, processesOf } = await dist('testing', 'processes.js')
const { createPaths } = await dist('engine', 'paths.js')

const projects = 100
const deploymentsEach = 100
const seconds = 3
const connections = 16
const goalPerSecond = 2_000
const goalFirstByteMs = 30

/** Each load beside a bare Hono that answers as many bytes on a socket of the same kind. */
export async function measurePanel(pilot, { say }) {
  say(`panel: ${projects} projects, ${projects * deploymentsEach} deployments`)
  const paths = createPaths(pilot.home)
  seed(paths)
  const doors = [
    ['server', { socketPath: paths.serverSocket }],
    ['front door', { port: pilot.port }],
  ]
  const pids = await ownPids(pilot.home)
  const rows = []
  for (const [what, head] of [
    ['GET /api/project/list', get('/api/project/list', { authorization: `Bearer ${pilot.token}` })],
    [
      'GET /api/project/list, gzip',
      get('/api/project/list', { authorization: `Bearer ${pilot.token}`, 'accept-encoding': 'gzip' }),
    ],
    ['GET / (list page)', get('/', { cookie: `nodepilot=${pilot.token}` })],
  ]) {
    for (const [door, where] of doors) {
      say(`panel: ${what}, ${door}`)
      await quiet()
      await load({ ...where, head, seconds: 1 })
      const before = cpuMs(pids)
      const found = await load({ ...where, head })
      found.cpuUs = ((cpuMs(pids) - before) * 1000) / (found.perSecond * seconds)
      const floor = await bareHono(found.bodyBytes, pilot.home)
      rows.push(...loadRows(`${what}, ${door}`, found, floor))
    }
  }
  rows.push(...(await firstBytes(pilot, { port: pilot.port })))
  return rows
}

function loadRows(what, found, floor) {
  const odd = Object.entries(found.statuses).filter(([status]) => status !== '200')
  const note = odd.map(([status, count]) => `, ${count} x ${status}`).join('')
  const perSecond = row(
    `${what} (${(found.bodyBytes / 1000).toFixed(1)} kB${note})`,
    '/s',
    [found.perSecond],
    {
      floor: floor.perSecond,
      floorName: '(bare Hono, same bytes)',
      goal: goalPerSecond,
    },
  )
  return [
    { ...perSecond, reached: odd.length === 0 && found.perSecond >= goalPerSecond },
    row('  CPU a request, server and router', 'µs', [found.cpuUs], {
      floor: floor.cpuUs,
      floorName: '(bare Hono)',
    }),
    row('  slowest 1 in 100', 'ms', [found.p99Ms], { floor: floor.p99Ms, floorName: '(bare Hono)' }),
  ]
}

/** One at a time, on a connection of its own each, as a browser's first request is. */
async function firstBytes(pilot, where) {
  const cookie = { cookie: `nodepilot=${pilot.token}` }
  const bearer = { authorization: `Bearer ${pilot.token}` }
  const asked = [
    ['/', cookie],
    ['/projects/project-050', cookie],
    ['/projects/project-050/deploys', cookie],
    ['/projects/project-050/metrics', cookie],
    ['/deploys', cookie],
    ['/server', cookie],
    ['/settings', cookie],
    ['/api/deployments', bearer],
    ['/api/deployments?status=failed', bearer],
    ['/api/project/project-050', bearer],
    ['/api/project/project-050/metrics?range=24h', bearer],
    ['/api/project/project-050/deployments', bearer],
    ['/metrics', bearer],
  ]
  const rows = []
  for (const [path, headers] of asked) {
    const found = []
    for (let n = 0; n < 21; n++) found.push(await firstByte(where, get(path, headers)))
    const statuses = new Set(found.map(({ status }) => status))
    const ms = found.slice(1).map((one) => one.ms)
    rows.push(row(`first byte of ${path} (${[...statuses]})`, 'ms', ms, { goal: goalFirstByteMs }))
  }
  return rows
}

function firstByte(where, head) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', ...where })
    socket.once('error', reject)
    socket.once('connect', () => {
      const began = performance.now()
      socket.write(head)
      socket.once('data', (chunk) => {
        resolve({ ms: performance.now() - began, status: chunk.toString('latin1', 9, 12) })
        socket.destroy()
      })
    })
  })
}

function get(path, headers) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `GET ${path} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n${lines.join('')}\r\n`
}

async function load(options) {
  const file = fileURLToPath(new URL('raw-client.mjs', import.meta.url))
  const child = spawn(process.execPath, [file, JSON.stringify({ connections, seconds, ...options })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the load client ended with ${code}`)
  return JSON.parse(text)
}

/** User and system time of these processes so far: says what a request costs, also on a machine that is busy. */
function cpuMs(pids) {
  const ticks = (pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(fields[11]) + Number(fields[12])
  }
  return pids.reduce((sum, pid) => sum + ticks(pid) * 10, 0)
}

async function ownPids(home) {
  const apps = new Set((await appProcesses(home)).map(({ pid }) => pid))
  const own = (await processesOf(home)).filter(({ pid }) => !apps.has(pid))
  return own.filter(({ command }) => /router|serve/.test(command)).map(({ pid }) => pid)
}

/** In a process of its own too, so that both have a core. */
async function bareHono(bytes, home) {
  const socketPath = join(home, 'run', 'floor.sock')
  const child = spawn(
    process.execPath,
    [fileURLToPath(import.meta.url), 'serve', socketPath, String(bytes)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  await once(child.stdout, 'data')
  try {
    const before = cpuMs([child.pid])
    const found = await load({ socketPath, head: get('/', {}) })
    return { ...found, cpuUs: ((cpuMs([child.pid]) - before) * 1000) / (found.perSecond * seconds) }
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

async function serveFloor(socketPath, bytes) {
  const { createServer } = await import('node:http')
  const { rmSync } = await import('node:fs')
  rmSync(socketPath, { force: true })
  const body = 'x'.repeat(bytes)
  const app = new Hono().get('/', (c) => c.text(body))
  createServer(getRequestListener(app.fetch)).listen(socketPath, () => console.log('up'))
}

/** Beside the running server, as a second connection: it sees what others write. */
function seed(paths) {
  const db = openDatabase(paths.database)
  const store = createStore(db, Date.now, createVault(openKeyRing(paths.keys, Date.now)))
  try {
    store.transaction(() => {
      for (let n = 1; n <= projects; n++) seedProject(db, store, `project-${String(n).padStart(3, '0')}`, n)
    })
  } finally {
    db.close()
  }
}

const results = ['retired', 'retired', 'retired', 'failed', 'retired', 'cancelled']
const steps = ['Receive', 'Install', 'Build', 'Start', 'Health']

function seedProject(db, store, name, index) {
  const { id } = store.projects.create({
    name,
    displayName: `Project ${index}`,
    path: `/nowhere/${name}`,
    startCommand: '',
    port: null,
    envVars: { DATABASE_URL: 'postgres://localhost/x', LOG_LEVEL: 'info' },
  })
  const deploy = db.prepare(`
    INSERT INTO deployments (project_id, number, status, source_kind, revision, message, requested_by, release,
      deployed_at, finished_at, error_code, error_message)
    VALUES (?, ?, ?, 'git', ?, ?, 'ada', ?, ?, ?, ?, ?)`)
  const start = Date.now() - deploymentsEach * 3_600_000
  let release = 0
  for (let number = 1; number <= deploymentsEach; number++) {
    const status = number === deploymentsEach ? 'live' : results[number % results.length]
    const failed = status === 'failed'
    if (!failed && status !== 'cancelled') release++
    const revision = (index * 1_000 + number).toString(16).padStart(40, '0')
    const at = new Date(start + number * 3_600_000).toISOString()
    const { lastInsertRowid } = deploy.run(
      id,
      number,
      status,
      revision,
      `Change number ${number} of ${name}`,
      failed ? null : release,
      at,
      at,
      failed ? 'build_failed' : null,
      failed ? 'the build ended with 1' : null,
    )
    for (const [position, step] of steps.entries()) {
      store.deployments.putStep(Number(lastInsertRowid), position, {
        name: step,
        status: 'done',
        ms: 40,
        note: 'npm ci',
      })
    }
  }
  store.releases.create({
    projectId: id,
    number: release,
    deployment: deploymentsEach,
    slug: release,
    source: { kind: 'git', revision: 'f'.repeat(40), message: 'Change' },
    command: 'node server.js',
    envVars: {},
    workers: {},
    plan: plainPlan,
  })
  store.instances.create({
    projectId: id,
    release,
    type: 'web',
    position: 1,
    generation: 900_000 + index,
    slug: release,
    port: 50_000 + index,
    state: 'serving',
  })
  store.projects.update(id, { status: 'running', currentRelease: release })
}

if (process.argv[2] === 'serve') await serveFloor(process.argv[3], Number(process.argv[4]))
