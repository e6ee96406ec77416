import type { Context } from '../context.ts'
import { freeBytes } from '../disk-space.ts'
import { Refusal } from '../domain/refusal.ts'
import { size } from '../pipeline/output.ts'
import { rebuildable } from './chores.ts'
import { cleanUp } from './housekeeping.ts'

/**
 * Refuses with `disk_full` where `bytes` more would leave less free than must stay, after what can be made again was
 * thrown away. `what`: what needs the room, for people.
 */
export async function requireRoom(ctx: Context, bytes: number, what: string): Promise<void> {
  const lacking = async () => (await freeBytes(ctx.paths.home)) < bytes + ctx.minFreeBytes
  if (!(await lacking())) return
  const { freedBytes } = await cleanUp(ctx, rebuildable)
  if (freedBytes > 0) ctx.report.info(`the disk is short: ${size(freedBytes)} of caches were removed`)
  if (!(await lacking())) return
  const free = size(await freeBytes(ctx.paths.home))
  const need = bytes > 0 ? `${what} needs about ${size(bytes)}, and ` : ''
  throw new Refusal(
    'disk_full',
    `the disk is nearly full: ${need}${size(ctx.minFreeBytes)} must stay free; ${free} are left`,
    { hint: 'free some space on the server ("nodepilot disk" shows what uses it), then try again' },
  )
}
