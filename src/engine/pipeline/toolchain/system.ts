import type { Context } from '../../context.ts'
import type { ToolsPlan } from './toolchains.ts'

/**
 * What processes of a release see of the system: PATH begins with the Node and the package manager it was built
 * with. They are fetched again where they went missing. Refuses with `unsupported_node` and `install_failed`.
 */
export async function systemOf(ctx: Context, plan: ToolsPlan): Promise<Readonly<Record<string, string>>> {
  const tools = await ctx.toolchains.obtain(plan, { signal: ctx.closing, say: ctx.report.info })
  return { ...ctx.environment, PATH: ctx.toolchains.searchPath(tools) }
}

/** The versions of Node and package managers that nobody needs: in no kept release's plan, long not used. */
export async function pruneToolchains(ctx: Context, maxAgeMs: number): Promise<string[]> {
  const plans = ctx.store.projects
    .list()
    .flatMap(({ id }) => ctx.store.releases.kept(id).map(({ plan }) => plan))
  return ctx.toolchains.prune({ plans, maxAgeMs })
}
