import path from 'node:path'
import { confined } from '../confine.ts'
import type { Context, OneOffUnderWay } from '../context.ts'
import { instanceEnvironment } from '../domain/environment.ts'
import type { ReleasePlan } from '../domain/release-plan.ts'
import type { Command } from '../shell.ts'
import { prepareFolders } from './boot.ts'
import { systemOf } from './toolchain/system.ts'

/** Where a one-off command runs: one release of one project. */
export interface Place {
  readonly project: string
  readonly release: number
  /** The slug. */
  readonly directory: string
  readonly envVars: Readonly<Record<string, string>>
  readonly plan: Pick<ReleasePlan, 'node' | 'manager' | 'rootDir' | 'preview'>
  /** The heap of Node is fitted to it; see `memoryWatch`. */
  readonly memoryLimitMb?: number | null
}

/** A command with the directory, the environment and the powers of the release's instances, and no port. */
export async function oneOff(
  ctx: Context,
  { project, release, directory, envVars, plan, memoryLimitMb = null }: Place,
  name: `${string}.${number}`,
  argv: readonly [string, ...string[]],
): Promise<Command> {
  await prepareFolders(ctx, project)
  const { rootDir } = plan
  const [type = '', index] = name.split('.')
  const env = instanceEnvironment({
    project,
    release,
    type,
    index: Number(index),
    port: null,
    directory,
    rootDir,
    dataDirectory: ctx.paths.data(project),
    configVars: envVars,
    memoryLimitMb,
    preview: plan.preview,
    system: await systemOf(ctx, plan),
  })
  const [file, ...args] = argv
  return confined(ctx.dependencies.tools.confinement, { file, args, cwd: path.join(directory, rootDir), env })
}

/** The smallest number that none of the project's commands of this type has. */
export function freeIndex(ctx: Context, projectId: number, type: OneOffUnderWay['type']): number {
  const same = (one: OneOffUnderWay) => one.projectId === projectId && one.type === type
  const taken = new Set([...ctx.runs].flatMap((one) => (same(one) ? [one.index] : [])))
  for (let index = 1; ; index++) if (!taken.has(index)) return index
}
