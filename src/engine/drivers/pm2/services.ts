import type { InstanceStatus } from '../../ports.ts'
import { ticksSinceBoot } from '../../processes.ts'
import { type EndingParts, endEntry, listChanges } from './ending.ts'
import { launchArgv, launchScript, prepareLogFile, quote, writePrivate } from './launch.ts'
import { serviceFiles, serviceName } from './names.ts'
import { type Entry, listEntries, recordOf } from './records.ts'

/** NodePilot's own long-running processes (the router): beside the instances and never in their list. */

export interface ServiceSpec {
  readonly name: string
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** JSON lines of both streams. */
  readonly logFile: string
  /** Of everything it is started from; the same one means there is nothing to do. */
  readonly fingerprint: string
  /** SIGTERM to SIGKILL, ms; 5,000 where none is given. */
  readonly graceMs?: number
}

export interface ServiceStatus {
  readonly name: string
  readonly pid: number | null
  readonly status: InstanceStatus
  readonly restarts: number
  readonly fingerprint: string | null
}

export interface Services {
  /** Resolves when it runs, which is not yet ready. One with another fingerprint is ended first. */
  startService(spec: ServiceSpec): Promise<void>
  /** Absent counts as stopped. */
  stopService(name: string): Promise<void>
  serviceStatus(name: string): Promise<ServiceStatus | null>
}

const defaultGraceMs = 5_000

export function createServices(parts: EndingParts, runDirectory: string): Services {
  const find = async (name: string) =>
    (await listEntries(parts.connection)).filter((entry) => entry.name === serviceName(name))
  const end = async (entries: readonly Entry[]) => {
    await Promise.all(entries.map((entry) => endEntry(parts, entry, entry.kept?.graceMs ?? defaultGraceMs)))
  }
  const start = async (spec: ServiceSpec) => {
    const found = await find(spec.name)
    const [same] = found.filter((entry) => isUp(entry) && entry.kept?.fingerprint === spec.fingerprint)
    await end(found.filter((entry) => entry !== same))
    if (!same) await launch(parts, runDirectory, spec)
  }
  return {
    startService: (spec) => parts.inOrder(serviceName(spec.name), () => start(spec)),
    stopService: (name) => parts.inOrder(serviceName(name), async () => end(await find(name))),
    serviceStatus: async (name) => {
      const [entry] = await find(name)
      if (!entry) return null
      const { pid, status, restarts } = entry
      return { name, pid, status, restarts, fingerprint: entry.kept?.fingerprint ?? null }
    },
  }
}

async function launch(parts: EndingParts, runDirectory: string, spec: ServiceSpec): Promise<void> {
  const { script, pidFile } = serviceFiles(runDirectory, spec.name)
  const marks = { NODEPILOT_SERVICE: `${runDirectory}/${spec.name}` }
  const command = spec.argv.map(quote).join(' ')
  await writePrivate(script, launchScript({ cwd: spec.cwd, env: { ...spec.env, ...marks }, command }))
  await prepareLogFile(spec.logFile)
  const record = recordOf({
    name: serviceName(spec.name),
    namespace: 'nodepilot',
    argv: launchArgv([], script),
    cwd: runDirectory,
    pidFile,
    logFile: spec.logFile,
    kept: {
      marks,
      port: null,
      since: ticksSinceBoot(),
      graceMs: spec.graceMs ?? defaultGraceMs,
      script,
      fingerprint: spec.fingerprint,
    },
  })
  await parts.inOrder(listChanges, () => parts.connection.call('prepare', [record]))
}

function isUp(entry: Entry): boolean {
  return entry.status === 'online' || entry.status === 'restarting'
}
