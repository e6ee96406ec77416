import type { Context } from '../context.ts'
import type { Who } from '../domain/audit.ts'
import type { Cleaning, DiskReport, Housekeeping } from '../housekeeping/housekeeping.ts'
import { requireRoom } from '../housekeeping/room.ts'

export type DiskCases = ReturnType<typeof createDiskCases>

/** What uses the disk, and what can be done about it. */
export function createDiskCases(ctx: Context, housekeeping: Housekeeping) {
  return {
    /** Measured within the last minute; the first one takes as long as there are files. */
    report: (): Promise<DiskReport> => housekeeping.report(),
    /** For a page: an older one, or null, rather than waiting longer than this. */
    reportWithin: (ms: number): Promise<DiskReport | null> => housekeeping.reportWithin(ms),

    /** A round of housekeeping now, which the server does by itself every hour. */
    async clean(who: Who): Promise<Cleaning> {
      const done = await housekeeping.clean()
      const { freedBytes, removed } = done
      const after = { freedBytes, removed: removed.map(({ what, count }) => `${count} ${what}`) }
      ctx.audit({ who, action: 'server.clean', after })
      return done
    },

    /** Refuses with `disk_full` where so many bytes of an upload would take what must stay free. */
    requireRoomFor: (bytes: number): Promise<void> => requireRoom(ctx, bytes, 'the upload'),
  }
}
