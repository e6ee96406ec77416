import path from 'node:path'
import type { Context } from '../context.ts'
import { instanceEnvironment } from '../domain/environment.ts'
import type { ReleasePlan } from '../domain/release-plan.ts'
import type { GroupRef, GroupSpec } from '../ports.ts'
import { clusterScript } from './cluster.ts'
import { systemOf } from './toolchain/system.ts'

/** How a release is run. */
export interface Running {
  /** The slug. */
  readonly directory: string
  readonly command: string
  readonly envVars: Readonly<Record<string, string>>
  readonly plan: ReleasePlan
  /** SIGTERM to SIGKILL, ms. */
  readonly graceMs: number
  /** Of the project; null: none. */
  readonly memoryLimitMb: number | null
  /** Its instances are workers of one cluster. */
  readonly cluster: boolean
}

export interface Place {
  readonly index: number
  readonly port: number | null
}

/** What the runtime is to start for some instances of a release. */
export async function groupOf(
  ctx: Context,
  ref: GroupRef,
  { directory, command, envVars, plan, graceMs, memoryLimitMb, cluster }: Running,
  places: readonly Place[],
): Promise<GroupSpec> {
  const { rootDir } = plan
  const system = await systemOf(ctx, plan)
  const environment = (place: Place) =>
    instanceEnvironment({
      ...ref,
      ...place,
      directory,
      rootDir,
      dataDirectory: ctx.paths.data(ref.project),
      configVars: envVars,
      memoryLimitMb,
      preview: plan.preview,
      system,
    })
  return {
    ...ref,
    cwd: path.join(directory, rootDir),
    command,
    cluster: cluster ? clusterScript(command, plan) : null,
    instances: places.map((place) => ({ ...place, env: environment(place) })),
    logDirectory: ctx.paths.projectLogs(ref.project),
    graceMs,
  }
}
