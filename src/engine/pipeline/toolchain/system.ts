import type { Context } from '../../context.ts'
import { managerEnvironment } from '../scripts.ts'
import type { ToolsPlan } from './toolchains.ts'

/**
 * What processes of a release see of the system: PATH begins with the Node and the package manager it was built
 * with. They are fetched again where they went missing. Refuses with `unsupported_node` and `install_failed`.
 */
export async function systemOf(ctx: Context, plan: ToolsPlan): Promise<Readonly<Record<string, string>>> {
  const signal = AbortSignal.any([ctx.closing, AbortSignal.timeout(longestFetchMs)])
  const tools = await ctx.toolchains.obtain(plan, { signal, say: ctx.report.info })
  const told = managerEnvironment(tools.manager)
  return { ...ctx.environment, ...told, PATH: ctx.toolchains.searchPath(tools) }
}

/** A registry that hangs must not hold up everything that starts, ms. */
const longestFetchMs = 120_000

/** The versions of Node and package managers that nobody needs: in no kept release's plan, long not used. */
export async function pruneToolchains(ctx: Context, maxAgeMs: number): Promise<string[]> {
  const plans = ctx.store.projects
    .list()
    .flatMap(({ id }) => ctx.store.releases.kept(id).map(({ plan }) => plan))
  return ctx.toolchains.prune({ plans, maxAgeMs })
}
