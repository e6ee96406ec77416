import { z } from 'zod'
import type { InstanceStatus } from '../../ports.ts'
import type { Connection } from './connection.ts'

/** What we ask PM2 to keep about a process, and what it tells us back. */

/** Environment variables that only processes of one instance carry. */
export type Marks = Readonly<Record<string, string>>

const keptSchema = z.object({
  marks: z.record(z.string(), z.string()),
  port: z.number().nullable(),
  /** Clock ticks since boot when it was asked for: no process of it is older. */
  since: z.number(),
  graceMs: z.number(),
  script: z.string(),
})

/** Our own notes in PM2's record. No secret among them. */
export type Kept = z.infer<typeof keptSchema>

/** Our notes in a record as PM2 hands it to a worker; null where there are none. */
export function keptIn(record: string): Kept | null {
  try {
    return z.object({ nodepilot: keptSchema }).parse(JSON.parse(record)).nodepilot
  } catch {
    return null
  }
}

const listSchema = z.array(
  z.object({
    pid: z.number().nullish(),
    pm_id: z.number(),
    name: z.string(),
    pm2_env: z.object({
      status: z.string(),
      restart_time: z.number().catch(0),
      pm_uptime: z.number().nullish(),
      exec_mode: z.string().nullish(),
      axm_monitor: z
        .object({ listening: z.object({ value: z.number() }) })
        .nullish()
        .catch(null),
      nodepilot: keptSchema.nullish().catch(null),
    }),
  }),
)

export interface Entry {
  /** PM2 gives the id of a removed process to a later one. */
  readonly id: number
  readonly name: string
  readonly status: InstanceStatus
  /** null while nothing runs. */
  readonly pid: number | null
  readonly restarts: number
  readonly startedAt: number | null
  readonly kept: Kept | null
  /** Of workers of the cluster mode: the port they listen on; undefined: it is none. */
  readonly listening: number | null | undefined
}

/** Everything the daemon knows. */
export async function listEntries(connection: Connection, timeoutMs?: number): Promise<readonly Entry[]> {
  const answer = await connection.call('getMonitorData', [{}], timeoutMs)
  return listSchema.parse(answer).map(({ pid, pm_id, name, pm2_env }) => {
    // A process that waits for its restart keeps the pid of the dead one: it may be a stranger's by now.
    const running = pm2_env.status === 'online' || pm2_env.status === 'stopping'
    return {
      id: pm_id,
      name,
      status: statusOf(pm2_env.status),
      pid: (running && pid) || null,
      restarts: pm2_env.restart_time,
      startedAt: running && pid ? (pm2_env.pm_uptime ?? null) : null,
      kept: pm2_env.nodepilot ?? null,
      listening:
        pm2_env.exec_mode === 'cluster_mode' ? (pm2_env.axm_monitor?.listening.value ?? null) : undefined,
    }
  })
}

export interface Order {
  readonly name: string
  readonly namespace: string
  readonly argv: readonly string[]
  readonly cwd: string
  readonly pidFile: string
  readonly logFile: string
  readonly kept: Kept
  /** Options of Node, for a worker of the cluster mode, whose argv begins with its script. */
  readonly clusterNodeArgs?: readonly string[]
}

/** The record the daemon is asked to run ("prepare"). */
export function recordOf(order: Order): Readonly<Record<string, unknown>> {
  const [file, ...args] = order.argv
  return {
    name: order.name,
    namespace: order.namespace,
    nodepilot: order.kept,
    pm_exec_path: file,
    args,
    ...modeOf(order),
    pm_cwd: order.cwd,
    env: {},
    autostart: true,
    autorestart: true,
    // 100 ms, 150, 225 … 15 s, back to the start after 30 s of life; and never the end of trying.
    exp_backoff_restart_delay: 100,
    max_restarts: 1_000_000_000,
    min_uptime: 1_000,
    // One file for both streams, as JSON with time and stream.
    log_type: 'json',
    merge_logs: true,
    pm_log_path: order.logFile,
    pm_out_log_path: '/dev/null',
    pm_err_log_path: '/dev/null',
    pm_pid_path: order.pidFile,
    // The tree is ours to end: PM2 would need `ps`, and misses what left the tree.
    treekill: false,
    kill_timeout: order.kept.graceMs + 2_000,
    kill_retry_time: 20,
    vizion: false,
    automation: false,
    pmx: false,
  }
}

function modeOf({ clusterNodeArgs }: Order): Readonly<Record<string, unknown>> {
  if (!clusterNodeArgs) return { exec_interpreter: 'none', exec_mode: 'fork_mode' }
  // said in any case: PM2 keeps the options of one worker for all later ones
  return {
    exec_interpreter: 'node',
    exec_mode: 'cluster_mode',
    node_args: clusterNodeArgs,
    disable_source_map_support: true,
  }
}

function statusOf(status: string): InstanceStatus {
  if (status === 'online' || status === 'launching') return 'online'
  if (status === 'waiting restart') return 'restarting'
  return status === 'errored' ? 'errored' : 'stopped'
}
