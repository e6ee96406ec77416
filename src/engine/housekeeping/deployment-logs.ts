import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Context } from '../context.ts'

/**
 * Removes old output of deployments: beyond so many a project, or older than so many days; never that of a kept
 * release, nor of what is under way. What the database says about a deployment stays.
 */
export async function pruneDeploymentLogs(ctx: Context): Promise<number> {
  let count = 0
  for (const project of ctx.store.projects.list()) {
    const directory = path.dirname(ctx.paths.deploymentLog(project.name, 1))
    const numbers = (await readdir(directory).catch(() => [] as string[]))
      .flatMap((name) => /^(\d+)\.log$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => b - a)
    const needed = new Set(ctx.store.releases.kept(project.id).map(({ deployment }) => deployment))
    for (const [place, number] of numbers.entries()) {
      if (needed.has(number) || ctx.store.deployments.find(project.id, number)?.finishedAt === null) continue
      const file = ctx.paths.deploymentLog(project.name, number)
      const written = await stat(file).catch(() => null)
      const old = (written?.mtimeMs ?? 0) < ctx.clock() - ctx.keeping.deploymentLogMs
      if (place < ctx.keeping.deploymentLogs && !old) continue
      await rm(file, { force: true })
      count++
    }
  }
  return count
}
