import type { Context } from '../context.ts'
import { sizesOf } from '../housekeeping/measure.ts'
import type { ProjectRow } from '../store/projects.ts'

/** Notes what the files of the live release take on the disk: about as much as the next one will need. */
export async function measureRelease(
  ctx: Context,
  { id, name }: Pick<ProjectRow, 'id' | 'name'>,
): Promise<void> {
  const current = ctx.store.projects.find(id)?.currentRelease ?? null
  const release = current === null ? null : ctx.store.releases.find(id, current)
  if (!release || release.slug !== release.number) return
  const slug = ctx.paths.release(name, release.slug)
  const shared = await ctx.dependencies.isShared(slug)
  const without = shared ? { without: 'node_modules' } : {}
  const sizes = await sizesOf([slug], { env: ctx.environment, ...without })
  ctx.store.releases.setBytes(id, release.slug, sizes.get(slug) ?? 0)
}
