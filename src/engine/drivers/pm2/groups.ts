import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { GroupRef, GroupSpec, Instance, InstanceSpec } from '../../ports.ts'
import { ticksSinceBoot } from '../../processes.ts'
import { type EndingParts, endEntry, listChanges, type Undisturbed } from './ending.ts'
import {
  clusterArgv,
  clusterLaunch,
  clusterNodeArgs,
  launchArgv,
  launchScript,
  logFileOf,
  prepareLogFile,
  writePrivate,
} from './launch.ts'
import { checkRef, type InstanceRef, instanceFiles, instanceName, parseInstanceName } from './names.ts'
import { type Entry, listEntries, type Marks, recordOf } from './records.ts'
import { DaemonError } from './wire.ts'

/** Starting and stopping the instances of a group; the caller sees to the order of calls for one project. */

export interface LaunchSettings {
  readonly runDirectory: string
  /** Goes before `/bin/sh`: argv of a program that keeps the user and runs what follows (`prlimit …`). */
  readonly launchPrefix: readonly string[]
}

/** Starts the instances that do not run yet. Where one cannot start, those started by this call are ended. */
export async function startGroup(
  parts: EndingParts,
  settings: LaunchSettings,
  group: GroupSpec,
): Promise<readonly Instance[]> {
  checkRef(group)
  const scripts = group.instances.map(({ env }) =>
    group.cluster ? clusterLaunch(group.cluster, env) : launchScript({ ...group, env }),
  )
  const before = await entriesOf(parts, group)
  const started: string[] = []
  try {
    for (const [at, spec] of group.instances.entries()) {
      const name = instanceName({ ...group, index: spec.index })
      if (
        await keepsOne(
          parts,
          before.filter((entry) => entry.name === name),
          group.graceMs,
        )
      )
        continue
      started.push(name)
      await startInstance(parts, settings, group, spec, scripts[at] ?? '')
    }
  } catch (error) {
    const ours = (await entriesOf(parts, group).catch(() => [])).filter((entry) =>
      started.includes(entry.name),
    )
    await Promise.allSettled(ours.map((entry) => endEntry(parts, entry, group.graceMs)))
    throw error
  }
  const wanted = new Set(group.instances.map((spec) => spec.index))
  return instancesOf(await entriesOf(parts, group)).filter((instance) => wanted.has(instance.index))
}

/** Other groups of the project may be started while these take their time to end. */
export async function stopGroup(
  parts: EndingParts,
  group: GroupRef,
  graceMs: number,
  only?: readonly number[],
): Promise<void> {
  checkRef(group)
  const isMeant = ({ name }: Entry) => only?.includes(parseInstanceName(name)?.index ?? 0) ?? true
  const entries = (await entriesOf(parts, group)).filter(isMeant)
  const undisturbed: Undisturbed = (work) => parts.inOrder(group.project, work)
  await Promise.all(entries.map((entry) => endEntry(parts, entry, graceMs, undisturbed)))
}

/** Whatever somebody else put into this PM2 is no instance. */
export function instancesOf(entries: readonly Entry[]): readonly Instance[] {
  return entries.flatMap(({ name, pid, status, restarts, startedAt, kept, listening }) => {
    const ref = parseInstanceName(name)
    if (!ref) return []
    const life = { pid, status, restarts, startedAt }
    const instance = { ...ref, name: `${ref.type}.${ref.index}`, ...life, ...(kept && { port: kept.port }) }
    return listening === undefined ? instance : { ...instance, listening }
  })
}

async function entriesOf({ connection }: EndingParts, group: GroupRef): Promise<readonly Entry[]> {
  const belongs = (ref: InstanceRef | null) =>
    ref !== null &&
    ref.project === group.project &&
    ref.type === group.type &&
    ref.release === group.release &&
    ref.generation === group.generation
  return (await listEntries(connection)).filter((entry) => belongs(parseInstanceName(entry.name)))
}

/**
 * Whether exactly one entry runs after this. Two come from a call that was thought lost and carried out
 * later; a stopped one from a stop that was cut off.
 */
async function keepsOne(parts: EndingParts, entries: readonly Entry[], graceMs: number): Promise<boolean> {
  const keep = entries.find((entry) => entry.status === 'online' || entry.status === 'restarting')
  for (const entry of entries) {
    if (entry !== keep) await endEntry(parts, entry, graceMs)
  }
  return keep !== undefined
}

async function startInstance(
  { connection, inOrder }: EndingParts,
  { runDirectory, launchPrefix }: LaunchSettings,
  group: GroupSpec,
  spec: InstanceSpec,
  text: string,
): Promise<void> {
  const ref = { ...group, index: spec.index }
  const { script, pidFile } = instanceFiles(runDirectory, ref)
  const logFile = logFileOf(group.logDirectory, group.type, spec.index)
  await writePrivate(script, text)
  await mkdir(dirname(pidFile), { recursive: true, mode: 0o700 })
  await prepareLogFile(logFile)
  const record = recordOf({
    name: instanceName(ref),
    namespace: group.project,
    ...(group.cluster
      ? {
          argv: clusterArgv(script),
          clusterNodeArgs: clusterNodeArgs(group.cluster, spec.env),
          cwd: group.cwd,
        }
      : { argv: launchArgv(launchPrefix, script), cwd: runDirectory }),
    pidFile,
    logFile,
    kept: {
      marks: marksOf(spec.env),
      port: spec.port,
      since: ticksSinceBoot(),
      graceMs: group.graceMs,
      script,
    },
  })
  await inOrder(listChanges, () => connection.call('prepare', [record])).catch(asSystemError)
}

/** The folder of the data is unique to a home and project; without it nothing may be ended by its marks. */
function marksOf(env: Readonly<Record<string, string>>): Marks {
  const keys = ['NODEPILOT_DATA_DIR', 'NODEPILOT_RELEASE', 'NODEPILOT_INSTANCE']
  const found = keys.flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]] as const]))
  return found.length === keys.length ? Object.fromEntries(found) : {}
}

/** The daemon tells errors of the system as text; the code at its front says what to do about it. */
function asSystemError(error: unknown): never {
  const code = error instanceof DaemonError ? /^(E[A-Z]+):/.exec(error.message)?.[1] : undefined
  throw code === undefined
    ? error
    : Object.assign(new Error((error as Error).message, { cause: error }), { code })
}
