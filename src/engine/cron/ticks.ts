import { type CronJob, nextRunAfter } from '../domain/cron.ts'

/** A tick that nobody looked at for so long (the server was down, the machine slept) is not made up for, ms. */
export const latestMs = 90_000
/** A clock that was set back by more begins anew; by less, nothing runs until it is where it was, ms. */
export const furthestBackMs = 3_600_000

/** The stretch of time whose ticks are due now: after `from`, up to `to`. */
export interface Stretch {
  readonly from: number
  readonly to: number
}

/**
 * What has not been looked at yet, where `seen` is the end of the last look; `to` is the end of this one. A tick is
 * in one stretch only, so it runs once, whatever the clock does.
 */
export function stretchSince(seen: number, now: number): Stretch {
  if (seen - now > furthestBackMs) return { from: now, to: now }
  if (now <= seen) return { from: seen, to: seen }
  return { from: Math.max(seen, now - latestMs), to: now }
}

/** The newest tick of a job in a stretch, ms since 1970; null: none. */
export function tickIn(job: CronJob, { from, to }: Stretch): number | null {
  let tick: number | null = null
  for (let next = nextRunAfter(job, from); next !== null && next <= to; next = nextRunAfter(job, next)) {
    tick = next
  }
  return tick
}

/** Until the next full minute, when schedules come round, ms. */
export function untilNextMinute(now: number): number {
  return 60_000 - (((now % 60_000) + 60_000) % 60_000)
}
