import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from '../context.ts'
import { retireOld } from './retire.ts'

const patienceMs = 10_000
const everyMs = 250

/**
 * Puts the table into force. A front door that is just being restarted is waited for. Resolves to false when it
 * stays away: then this goes on behind, and the old processes are ended when it has taken the table, because
 * until then they still have the traffic.
 */
export async function switchRoutes(ctx: Context): Promise<boolean> {
  const until = performance.now() + patienceMs
  for (;;) {
    if (await tryToApply(ctx)) return true
    if (performance.now() > until) break
    await pause(everyMs)
  }
  ctx.background.run('switching routes', () => switchLater(ctx))
  return false
}

async function switchLater(ctx: Context): Promise<void> {
  while (!ctx.closing.aborted) {
    await pause(everyMs * 4, undefined, { signal: ctx.closing }).catch(() => {})
    if (ctx.closing.aborted || !(await tryToApply(ctx))) continue
    for (const project of ctx.store.projects.list()) retireOld(ctx, project)
    return
  }
}

async function tryToApply(ctx: Context): Promise<boolean> {
  try {
    await ctx.failpoint('routes.applying')
    await ctx.routes.apply()
    await ctx.failpoint('routes.applied')
    return true
  } catch (error) {
    ctx.report.error('the front door did not take the new routes', error)
    return false
  }
}
