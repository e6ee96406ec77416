import type { Context } from '../context.ts'
import type { ProjectRow } from '../store/projects.ts'
import type { BuildLimits } from './build-command.ts'

/** What a command of this project's installs and builds may take: its own settings, else the server's. */
export function limitsOf(ctx: Context, { settings }: Pick<ProjectRow, 'settings'>): BuildLimits {
  const { limits } = ctx.dependencies.tools
  const { buildTimeoutMs, buildMemoryMb } = settings
  const { tree } = limits
  const memoryBytes = buildMemoryMb === null ? tree?.memoryBytes : buildMemoryMb * 1_000_000
  return {
    ...limits,
    timeoutMs: buildTimeoutMs ?? limits.timeoutMs,
    ...(tree && memoryBytes !== undefined ? { tree: { ...tree, memoryBytes } } : {}),
  }
}
