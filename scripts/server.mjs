// Starts and ends one NodePilot for the scripts. Only Node's own modules.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { endProcessesOf } from './processes.mjs'
import { Failure, root } from './script.mjs'

const program = join(root, 'bin', 'nodepilot')
const readyWithinMs = 60_000
const endWithinMs = 35_000

/**
 * Resolves when the server answers, with `{ url, child, exited, lastLines() }`. The server is in a process group
 * of its own, so that Ctrl-C in a terminal reaches only the script, which then ends things in order.
 * `whenSpawned` gets the same object as soon as there is something to end.
 */
export async function startServer(home, { port, password, env = {}, whenSpawned = () => {} }) {
  const readyFile = join(home, 'run', 'server.json')
  refuseRunning(readyFile)
  mkdirSync(home, { recursive: true, mode: 0o700 })
  rmSync(readyFile, { force: true })
  const child = spawn(process.execPath, [program, 'serve'], {
    cwd: home,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      NODEPILOT_HOME: home,
      HOST: '127.0.0.1',
      PORT: port,
      NODEPILOT_ADMIN_PASSWORD: password,
      ...env,
    },
  })
  const server = { url: '', child, exited: once(child, 'exit'), lastLines: keepOutput(child) }
  whenSpawned(server)
  server.url = await ready(server, readyFile)
  return server
}

function refuseRunning(readyFile) {
  const { pid, url } = readJson(readyFile) ?? {}
  if (pid && commandLine(pid).includes('nodepilot'))
    throw new Failure(`NodePilot runs already on this home, at ${url}.`)
}

async function ready(server, readyFile) {
  const end = Date.now() + readyWithinMs
  while (Date.now() < end) {
    const { url } = readJson(readyFile) ?? {}
    if (url) return url
    if (hasEnded(server.child)) throw new Failure(`NodePilot did not start:\n${server.lastLines()}`)
    await sleep(30)
  }
  throw new Failure(`NodePilot was not ready within ${readyWithinMs / 1000} s:\n${server.lastLines()}`)
}

/**
 * Ends projects, router, PM2 and the server; whatever of the home still runs after that is killed. Safe to call
 * for a server that never got ready.
 */
export async function endServer(server, home) {
  // Not spawnSync: the server is a child of this process, and gone only once this process has seen it go.
  const stop = spawn(process.execPath, [program, 'stop', '--all'], {
    env: { ...process.env, NODEPILOT_HOME: home },
    stdio: 'ignore',
    timeout: 60_000,
  })
  await once(stop, 'close')
  if (!hasEnded(server.child)) {
    server.child.kill('SIGTERM')
    await Promise.race([server.exited, sleep(endWithinMs, undefined, { ref: false })])
  }
  if (!hasEnded(server.child)) server.child.kill('SIGKILL')
  endProcessesOf(home)
  for (const stream of [server.child.stdout, server.child.stderr]) stream.destroy()
}

/** Both streams must be read, or the server would stall; the last 40 lines explain a failure. */
function keepOutput(child) {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece) => {
      text = (text + piece).slice(-20_000)
    })
  }
  return () => text.trimEnd().split('\n').slice(-40).join('\n')
}

function hasEnded(child) {
  return child.exitCode !== null || child.signalCode !== null
}

/** The number in a file left behind by a crash may belong to another program by now. */
function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** A file that is half written counts as not there. */
function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
