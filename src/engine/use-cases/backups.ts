import { type BackupOptions, makeBackup } from '../backup/make.ts'
import { type Backup, createShelf } from '../backup/shelf.ts'
import type { Context } from '../context.ts'
import { theServer, type Who } from '../domain/audit.ts'
import { Refusal } from '../domain/refusal.ts'
import { requireRoom } from '../housekeeping/room.ts'

export type BackupCases = ReturnType<typeof createBackupCases>

/** How often it is asked whether one is due, ms. */
const lookEveryMs = 10 * 60_000
/** When this home began to count, for the first backup of all. */
const sinceKey = 'backups-since'

export function createBackupCases(ctx: Context) {
  const shelf = createShelf(ctx.paths.backups)
  const { keep, everyMs } = ctx.backups
  let making = false

  const makeNow = async (options: BackupOptions, who: Who): Promise<Backup> => {
    if (making) {
      throw new Refusal('conflict', 'a backup is being made already', { hint: 'try again when it is done' })
    }
    making = true
    try {
      await requireRoom(ctx, (await shelf.list())[0]?.bytes ?? 0, 'a backup as large as the last one')
      const backup = await makeBackup(ctx, options, ctx.closing)
      const { id, bytes, keys, slugs } = backup
      ctx.audit({ who, action: 'backup.create', after: { id, bytes, keys, slugs } })
      await shelf.keepNewest(keep)
      return backup
    } finally {
      making = false
    }
  }

  /** The end of the server waits until nothing of it is left. */
  const make = (options: BackupOptions, who: Who): Promise<Backup> => {
    const made = makeNow(options, who)
    const ended = made.then(
      () => {},
      () => {},
    )
    ctx.background.run('a backup', () => ended)
    return made
  }

  const find = async (id: string): Promise<Backup> => {
    const backup = await shelf.find(id)
    if (backup) return backup
    throw new Refusal('not_found', 'there is no such backup')
  }

  const makeWhenDue = async (): Promise<void> => {
    const now = new Date(ctx.clock()).toISOString()
    // one of the future was made while the clock was wrong
    const newest = (await shelf.list()).find(({ createdAt }) => createdAt <= now)
    const since = newest?.createdAt ?? ctx.store.settings.get(sinceKey)
    if (since === null || since > now) ctx.store.settings.set(sinceKey, now)
    else if (ctx.clock() - Date.parse(since) >= everyMs && !making) {
      await make({ keys: false, slugs: false }, theServer)
    }
  }

  return {
    /** Resolves when it is proved. Refuses with `conflict` while one is under way. */
    make,
    /** Newest first. */
    list: (): Promise<Backup[]> => shelf.list(),

    async remove(id: string, who: Who): Promise<void> {
      const { bytes } = await find(id)
      await shelf.remove(id)
      ctx.audit({ who, action: 'backup.remove', before: { id, bytes } })
    },

    /** For a download, which is written down: who has it, has the database. */
    async download(id: string, who: Who): Promise<{ readonly file: string; readonly backup: Backup }> {
      const backup = await find(id)
      ctx.audit({ who, action: 'backup.download', after: { id } })
      return { file: shelf.archive(id), backup }
    },

    /** Clears what a killed server left, and from now on makes one whenever it is due. */
    async keepMaking(): Promise<void> {
      await shelf.sweep()
      if (everyMs === 0) return
      const look = () => ctx.background.run('the regular backup', makeWhenDue)
      const timer = setInterval(look, Math.min(lookEveryMs, everyMs))
      timer.unref()
      ctx.closing.addEventListener('abort', () => clearInterval(timer), { once: true })
      look()
    },
  }
}
