import path from 'node:path'
import type { Context } from '../context.ts'
import { instanceEnvironment } from '../domain/environment.ts'
import type { ReleasePlan } from '../domain/release-plan.ts'
import type { GroupRef, GroupSpec } from '../ports.ts'
import { systemOf } from './toolchain/system.ts'

/** Stands in a release whose files are served as they are; where the program lies is known only at the start. */
export const staticCommand = 'nodepilot-static .'

const staticServer = path.join(import.meta.dirname, '..', 'static-server.js')
/** SIGTERM to SIGKILL. */
const graceMs = 10_000

export interface Place {
  readonly index: number
  readonly port: number | null
}

/** What the runtime is to start for some instances of a release. */
export async function groupOf(
  ctx: Context,
  ref: GroupRef,
  release: {
    readonly directory: string
    readonly command: string
    readonly envVars: Readonly<Record<string, string>>
    readonly plan: ReleasePlan
  },
  places: readonly Place[],
): Promise<GroupSpec> {
  const { directory, command, envVars } = release
  const system = await systemOf(ctx, release.plan)
  const environment = (place: Place) =>
    instanceEnvironment({
      ...ref,
      ...place,
      directory,
      dataDirectory: ctx.paths.data(ref.project),
      configVars: envVars,
      system,
    })
  return {
    ...ref,
    cwd: directory,
    command: command === staticCommand ? `node '${staticServer}' .` : command,
    instances: places.map((place) => ({ ...place, env: environment(place) })),
    logDirectory: ctx.paths.projectLogs(ref.project),
    graceMs,
  }
}
