import type { Context } from '../context.ts'
import type { GroupRef } from '../ports.ts'
import type { InstanceRow } from '../store/instances.ts'
import type { ProjectRow } from '../store/projects.ts'
import { discard } from './boot.ts'
import { prune } from './prune.ts'

const graceMs = 10_000

/** After a switch: what the old generations still answer is waited for, then they end, then old releases go and the repository is tidied. */
export function retireOld(ctx: Context, project: ProjectRow): void {
  ctx.background.run(`retiring old processes of ${project.name}`, async () => {
    await endRetiring(ctx, project)
    const done = await ctx.turns.take(project.id)
    try {
      await prune(ctx, project.id)
      await ctx.repositories.tidy(project.name)
    } finally {
      done()
    }
  })
}

/** Drains and ends every generation of the project that is marked as retiring. */
export async function endRetiring(ctx: Context, project: ProjectRow): Promise<void> {
  const rows = ctx.store.instances.ofProject(project.id, 'retiring')
  const endpoints = rows.flatMap((row) => (row.port === null ? [] : [{ host: '127.0.0.1', port: row.port }]))
  if (endpoints.length > 0) await drain(ctx, endpoints)
  await Promise.all(generationsOf(project.name, rows).map((ref) => discard(ctx, project.id, ref, graceMs)))
}

/** The groups that a set of rows belongs to, each once. */
export function generationsOf(project: string, rows: readonly InstanceRow[]): GroupRef[] {
  const refs = new Map<string, GroupRef>()
  for (const { type, release, generation } of rows) {
    refs.set(`${type} ${generation}`, { project, type, release, generation })
  }
  return [...refs.values()]
}

/** A front door that is away has no traffic to wait for. */
async function drain(ctx: Context, endpoints: { host: string; port: number }[]): Promise<void> {
  try {
    const { left } = await ctx.router.drain(endpoints, ctx.limits.drainMs)
    if (left > 0)
      ctx.report.info(`${left} requests were still open after ${ctx.limits.drainMs} ms and are cut off`)
  } catch (error) {
    ctx.report.error('draining failed', error)
  }
}
