import { spawn } from 'node:child_process'
import { chmod, copyFile, mkdir, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { environmentOf, type ProcessRow, processRow, signalAll, waitUntilGone } from '../../processes.ts'
import type { LogLimits } from '../../rotating-log.ts'
import { unavailable } from './wire.ts'

/** PM2's daemon as a program of its own: started with an environment of our choice, found again, ended. */

export interface DaemonHome {
  /** PM2_HOME, absolute; made with mode 0700. */
  readonly pm2Home: string
  readonly nodePath: string
  /** argv that goes before it: what it starts in cluster mode has the daemon's powers over files. */
  readonly launchPrefix: readonly string[]
  /** All the daemon gets beside its own settings: PATH, HOME, LANG. */
  readonly environment: Readonly<Record<string, string>>
}

const logCapBytes = 5_000_000
/** Loaded before PM2: makes the logs it writes rotate. */
export const rotation = new URL('./daemon-logs.js', import.meta.url).href

/**
 * Starts the daemon and resolves with its pid when it answers. It outlives this process.
 * Refuses with `unavailable` when it ends, or is not ready within `timeoutMs`.
 */
export async function launchDaemon(home: DaemonHome, timeoutMs: number): Promise<number> {
  await prepareHome(home.pm2Home)
  const log = await open(join(home.pm2Home, 'pm2.log'), 'a', 0o600)
  const daemon = [home.nodePath, '--import', rotation, join(packageFolder(), 'lib/Daemon.js')]
  const [program = '', ...argv] = [...home.launchPrefix, ...daemon]
  const child = spawn(program, argv, {
    detached: true,
    cwd: home.pm2Home,
    env: daemonEnvironment(home),
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
  })
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) => reject(unavailable(`the process manager did not start: ${why}`))
      const timer = setTimeout(() => fail(`not ready within ${timeoutMs} ms`), timeoutMs)
      child.once('error', (error) => fail(error.message))
      child.once('exit', (code, signal) => fail(`it ended with ${signal ?? `code ${code}`}`))
      child.once('message', () => resolve())
      for (const event of ['error', 'exit', 'message'] as const) child.once(event, () => clearTimeout(timer))
    })
    child.disconnect()
  } catch (error) {
    // A second daemon of one home waits for ever without listening.
    child.kill('SIGKILL')
    throw error
  } finally {
    child.unref()
    await log.close()
  }
  return child.pid ?? 0
}

/** The living daemon of this home, or null. A pid from a stale file that is somebody else's now is not it. */
export async function findDaemon(pm2Home: string): Promise<ProcessRow | null> {
  const text = await readFile(join(pm2Home, 'pm2.pid'), 'utf8').catch(() => '')
  const row = processRow(Number(text) || 0)
  const environment = row && (await environmentOf(row.pid))
  return environment?.get('PM2_HOME') === pm2Home ? row : null
}

/** Waits for a daemon that was asked to go, kills it else, and removes what it listened on. */
export async function buryDaemon(pm2Home: string, daemon: ProcessRow | null, waitMs: number): Promise<void> {
  if (daemon) {
    const left = await waitUntilGone([daemon], waitMs)
    signalAll(left, 'SIGKILL')
    await waitUntilGone(left, 2_000)
  }
  for (const name of ['rpc.sock', 'pub.sock', 'pm2.pid']) await rm(join(pm2Home, name), { force: true })
}

/** The daemon writes a line for every start and exit; it appends, so cutting is safe. */
export async function capDaemonLog(pm2Home: string): Promise<void> {
  const path = join(pm2Home, 'pm2.log')
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  )
  if (size <= logCapBytes) return
  await copyFile(path, `${path}.1`)
  await truncate(path)
}

/** For the logs of apps and services; a running daemon takes it over with the next part it begins. */
export async function limitLogs(pm2Home: string, limits: LogLimits): Promise<void> {
  await writeFile(join(pm2Home, 'log-limits.json'), JSON.stringify(limits), { mode: 0o600 })
}

async function prepareHome(pm2Home: string): Promise<void> {
  await mkdir(pm2Home, { recursive: true, mode: 0o700 })
  await chmod(pm2Home, 0o700) // its sockets are made with 0775: this folder is what guards them
  await capDaemonLog(pm2Home)
  // Its sampling of the whole machine every 30 s is of no use here.
  const settings = JSON.stringify({ pm2: { sysmonit: 'false' } })
  await writeFile(join(pm2Home, 'module_conf.json'), settings, { mode: 0o600 })
}

function daemonEnvironment({ pm2Home, environment }: DaemonHome): Record<string, string> {
  return {
    ...environment,
    PM2_HOME: pm2Home,
    // Relative to its working directory: the address of a unix socket is short, the path of a home may not be.
    PM2_DAEMON_RPC_PORT: 'rpc.sock',
    PM2_DAEMON_PUB_PORT: 'pub.sock',
    SILENT: 'true',
    PM2_DISCRETE_MODE: 'true',
    PM2_NO_INTERACTION: 'true',
    PM2_DISABLE_VERSION_CHECK: 'true',
    PM2_KILL_SIGNAL: 'SIGTERM',
  }
}

function packageFolder(): string {
  return dirname(createRequire(import.meta.url).resolve('pm2/package.json'))
}
