import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Refusal } from '../../domain/refusal.ts'
import { createOrder } from '../../in-order.ts'
import type { GroupRef, Runtime } from '../../ports.ts'
import type { LogLimits } from '../../rotating-log.ts'
import { createConnection } from './connection.ts'
import { buryDaemon, capDaemonLog, findDaemon, limitLogs } from './daemon.ts'
import { type EndingParts, endEntry } from './ending.ts'
import { exitOf } from './exits.ts'
import { endFormerServices } from './former-services.ts'
import { instancesOf, startGroup, stopGroup } from './groups.ts'
import { projectFolders } from './names.ts'
import { endOrphanProcesses } from './orphans.ts'
import { listEntries } from './records.ts'
import { createStatsReader } from './stats.ts'

/** The Runtime port on one machine: a PM2 daemon of this home alone, spoken to over its sockets. */

export interface Pm2RuntimeOptions {
  /** PM2_HOME, absolute. */
  readonly pm2Home: string
  /** Launch scripts and pid files go below it; absolute. */
  readonly runDirectory: string
  /** `<home>/projects`: how processes of this home are told from all others. */
  readonly projectsDirectory: string
  /** Node for the daemon; this process's own where none is given. */
  readonly nodePath?: string
  /** The daemon's environment beside its own settings: PATH, HOME, LANG. No secrets: every app's parent has it. */
  readonly daemonEnvironment: Readonly<Record<string, string>>
  /** argv that goes before each instance's shell, for limits; it must keep the user. */
  readonly launchPrefix: readonly string[]
  /** For each call to the daemon, ms; a stop gets its grace time on top. */
  readonly callTimeoutMs: number
  /** Of every log file of an app or service; left as it is where none is given. */
  readonly logs?: LogLimits
  /** For the server's log. */
  readonly log: (line: string) => void
}

export interface Pm2Runtime extends Runtime {
  /** Of the daemon; null while there is none. */
  daemonPid(): number | null
  /** Ends what an earlier NodePilot kept here beside the instances; true where there was something. */
  endFormerServices(): Promise<boolean>
  /** Removes launch scripts and pid files of a project: nothing with its name is left. */
  forget(project: string): Promise<void>
}

/** At the end of everything nobody waits longer for an app than this, ms. */
const longestShutdownGraceMs = 5_000

export function createPm2Runtime(options: Pm2RuntimeOptions): Pm2Runtime {
  const { pm2Home, runDirectory, log } = options
  let daemonPid: number | null = null
  const connection = createConnection({
    pm2Home,
    nodePath: options.nodePath ?? process.execPath,
    environment: options.daemonEnvironment,
    launchPrefix: options.launchPrefix,
    callTimeoutMs: options.callTimeoutMs,
    onLaunch: async (pid) => {
      log(`started PM2, pid ${pid}`)
      // A new daemon knows no process, so no script is in use; those of the last one hold config vars.
      for (const folder of ['launch', 'pids', 'services']) {
        await rm(join(runDirectory, folder), { recursive: true, force: true })
      }
    },
  })
  const inOrder = createOrder()
  const parts: EndingParts = { connection, inOrder, daemonPid: () => daemonPid }
  const readStats = createStatsReader()
  const orphans = async (known = () => listEntries(connection)) => {
    const count = await endOrphanProcesses(options, known, daemonPid)
    if (count > 0) log(`ended ${count} processes without a master`)
    return count
  }
  let capping: NodeJS.Timeout | undefined
  const capSafely = () => capDaemonLog(pm2Home).catch((error) => log(`PM2's log could not be cut: ${error}`))
  connection.onLost(() => log('lost PM2'))

  return {
    daemonPid: () => daemonPid,
    connect: async () => {
      await mkdir(runDirectory, { recursive: true, mode: 0o700 })
      await mkdir(pm2Home, { recursive: true, mode: 0o700 })
      if (options.logs) await limitLogs(pm2Home, options.logs)
      await connection.connect()
      daemonPid = (await findDaemon(pm2Home))?.pid ?? null
      clearInterval(capping)
      capping = setInterval(capSafely, capEveryMs).unref()
      await capDaemonLog(pm2Home)
    },
    close: async () => {
      clearInterval(capping)
      connection.close()
    },
    start: (group) =>
      inOrder(keyOf(group), () => inOrder(group.project, () => startGroup(parts, options, group))),
    stop: (group, graceMs, only) => inOrder(keyOf(group), () => stopGroup(parts, group, graceMs, only)),
    list: async (project) => {
      const found = instancesOf(await listEntries(connection))
      return project === undefined ? found : found.filter((instance) => instance.project === project)
    },
    stats: async () => readStats(await listEntries(connection)),
    onExit: (listener) =>
      connection.onLog((line) => {
        const exit = exitOf(line)
        if (exit) listener(exit)
      }),
    onLost: (listener) => connection.onLost(listener),
    endOrphans: () => orphans(),
    endFormerServices: async () => {
      const services = await endFormerServices(parts)
      services?.ended
        .then(() => rm(join(runDirectory, 'services'), { recursive: true, force: true }))
        .catch((error: unknown) => log(`the front door of an earlier NodePilot does not end: ${error}`))
      return services !== null
    },
    forget: (project) =>
      inOrder(project, async () => {
        for (const folder of projectFolders(runDirectory, project)) {
          await rm(folder, { recursive: true, force: true })
        }
      }),
    shutdown: async () => {
      clearInterval(capping)
      const daemon = await findDaemon(pm2Home)
      await askToEnd().catch((error) => {
        if (!(error instanceof Refusal)) throw error
        log(`PM2 does not answer and is killed: ${error.message}`)
      })
      connection.close()
      await buryDaemon(pm2Home, daemon, daemonGraceMs)
      daemonPid = null
      await orphans(async () => [])
    },
  }

  async function askToEnd() {
    if (!(await connection.attach())) return
    const entries = await listEntries(connection)
    await Promise.all(
      entries.map((entry) =>
        endEntry(
          parts,
          entry,
          Math.min(entry.kept?.graceMs ?? longestShutdownGraceMs, longestShutdownGraceMs),
        ),
      ),
    )
    // It closes the sockets instead of an answer. Never hand it our pid: it would send us SIGQUIT.
    await connection.farewell('killMe', [{}])
  }
}

const capEveryMs = 60_000
/** From the request to go to SIGKILL, ms. */
const daemonGraceMs = 2_000

/** One call at a time for a group; no name of a project is like this. */
function keyOf({ project, type, release, generation }: GroupRef): string {
  return `${project} ${type} ${release} ${generation}`
}
