import type { Context } from '../context.ts'
import { freeBytes } from '../disk-space.ts'
import { type Chore, chores } from './chores.ts'
import { type DiskUse, measureDisk } from './disk-use.ts'

/** What a round of housekeeping has removed. */
export interface Cleaning {
  /** ISO 8601, UTC. */
  readonly at: string
  /** As the disk tells it, while others write to it too. */
  readonly freedBytes: number
  readonly removed: readonly { readonly what: string; readonly count: number }[]
}

export interface DiskReport extends DiskUse {
  /** null: not since the server started. */
  readonly lastCleaning: Cleaning | null
}

export type Housekeeping = ReturnType<typeof createHousekeeping>

const everyMs = 3_600_000
/** Not while everything else begins. */
const firstMs = 5 * 60_000
/** Measuring again is not worth it before, ms. */
const freshMs = 60_000

/** Keeps the disk from filling up with what nobody needs: every hour, and whenever it is asked for. */
export function createHousekeeping(ctx: Context) {
  let last: Cleaning | null = null
  let measured: DiskUse | null = null
  let cleaning: Promise<Cleaning> | null = null
  let measuring: Promise<DiskUse> | null = null

  const clean = (): Promise<Cleaning> => {
    cleaning ??= cleanUp(ctx, chores)
      .then((done) => {
        last = done
        measured = null
        return done
      })
      .finally(() => {
        cleaning = null
      })
    return cleaning
  }
  const measure = (): Promise<DiskUse> => {
    measuring ??= measureDisk(ctx)
      .then((use) => {
        measured = use
        return use
      })
      .finally(() => {
        measuring = null
      })
    return measuring
  }

  return {
    /** A round now; who comes while one is under way gets its result. */
    clean,

    /** What uses the disk, a minute old at most. */
    async report(): Promise<DiskReport> {
      const fresh = measured && ctx.clock() - Date.parse(measured.measuredAt) < freshMs
      const use = fresh && measured ? measured : await measure()
      return { ...use, lastCleaning: last }
    },

    /** The same for who cannot wait longer than this: an older one, or null where there is none yet. */
    async reportWithin(ms: number): Promise<DiskReport | null> {
      const report = this.report()
      report.catch((error: unknown) => ctx.report.error('measuring the disk', error))
      const late = new Promise<null>((resolve) => setTimeout(resolve, ms, null).unref())
      const use = await Promise.race([report, late]).catch(() => null)
      return use ?? (measured && { ...measured, lastCleaning: last })
    },

    /** From now on, every hour. */
    start(): void {
      const round = () => ctx.background.run('housekeeping', async () => void (await clean()))
      const timers = [setTimeout(round, firstMs), setInterval(round, everyMs)]
      for (const timer of timers) timer.unref()
      const stop = () => {
        for (const timer of timers) clearTimeout(timer)
      }
      ctx.closing.addEventListener('abort', stop, { once: true })
    },
  }
}

/** One chore that fails does not keep the others from being done. */
export async function cleanUp(ctx: Context, list: readonly Chore[]): Promise<Cleaning> {
  const before = await freeBytes(ctx.paths.home)
  const removed: { what: string; count: number }[] = []
  for (const { what, work } of list) {
    if (ctx.closing.aborted) break
    const count = await work(ctx).catch((error: unknown) => {
      if (!ctx.closing.aborted) ctx.report.error(`housekeeping: ${what}`, error)
      return 0
    })
    if (count > 0) removed.push({ what, count })
  }
  const freedBytes = Math.max((await freeBytes(ctx.paths.home)) - before, 0)
  return { at: new Date(ctx.clock()).toISOString(), freedBytes, removed }
}
