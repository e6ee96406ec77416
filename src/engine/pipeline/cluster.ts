import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from '../context.ts'
import { type NodeScript, nodeScriptOf } from '../domain/node-script.ts'
import { Refusal } from '../domain/refusal.ts'
import type { ReleasePlan } from '../domain/release-plan.ts'
import type { GroupRef } from '../ports.ts'
import type { InstanceRow } from '../store/instances.ts'
import type { ProjectRow } from '../store/projects.ts'

/**
 * The cluster mode of PM2: the instances of `web` are workers that share one port, which belongs to PM2's daemon.
 * So the first one holds the port in the table, and the front door knows one endpoint.
 */

/**
 * The script that the workers run. Refuses with `no_start_command` what is no script of Node, and with
 * `unsupported_node` a release with a Node of its own: workers run on that of the daemon.
 */
export function clusterScript(command: string, plan: Pick<ReleasePlan, 'node'>): NodeScript {
  const script = nodeScriptOf(command)
  if (!script) {
    throw new Refusal('no_start_command', `cluster mode runs a script of Node, and "${command}" is none`, {
      hint: 'set the start command to node and a file (node server.js), or turn cluster mode off',
    })
  }
  if (plan.node !== null && plan.node !== process.versions.node) {
    const own = process.versions.node
    throw new Refusal('unsupported_node', `in cluster mode apps run on Node ${own}, not on ${plan.node}`, {
      hint: `ask for Node ${own}, or turn cluster mode off`,
    })
  }
  return script
}

/** Does `web` of this project run so from its next generation on? */
export function wantsCluster(project: ProjectRow): boolean {
  return project.settings.cluster
}

/** One more worker at the port of the first one. */
export function joinCluster(
  ctx: Context,
  holder: { readonly project: ProjectRow; readonly release: number; readonly slug: number },
  { generation, position }: { readonly generation: number; readonly position: number },
): void {
  const { project, release, slug } = holder
  const place = { projectId: project.id, release, slug, type: 'web', position, generation } as const
  ctx.store.instances.create({ ...place, port: null, cluster: true, state: 'candidate' })
}

/** The port of the cluster that the row belongs to; null where its first worker is not in the table. */
export function clusterPort(rows: readonly InstanceRow[], row: InstanceRow): number | null {
  const isLeader = (other: InstanceRow) =>
    other.generation === row.generation && other.type === row.type && other.port !== null
  return rows.find(isLeader)?.port ?? null
}

/** Until the worker takes connections: on which port; null: on none by the deadline. */
export async function whereItListens(
  ctx: Context,
  ref: GroupRef,
  index: number,
  deadline: number,
  signal: AbortSignal,
): Promise<number | null> {
  while (performance.now() < deadline) {
    const instances = await ctx.runtime.list(ref.project)
    const worker = instances.find(
      (one) => one.generation === ref.generation && one.type === ref.type && one.index === index,
    )
    if (worker?.listening != null) return worker.listening
    await pause(lookEveryMs, undefined, { signal })
  }
  return null
}

const lookEveryMs = 40
