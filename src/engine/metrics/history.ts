import type { Store } from '../store/store.ts'
import { addPoints, type Point, pieceOf, readPoint } from './point.ts'

/**
 * Points of one subject over time: the last hour finely and in memory, a day and a week coarsely and in the
 * database. After a start the last hour is made from the stored minutes.
 */

export const fineMs = 10_000
const fineSlots = 3_600_000 / fineMs
const minuteMs = 60_000

/** Steps that are stored, each as long as a range that shows it needs. */
const storedSteps = [
  { step: 60, keepMs: 25 * 3_600_000 },
  { step: 600, keepMs: 8 * 86_400_000 },
] as const

export const ranges = {
  '1h': { ms: 3_600_000, stepMs: fineMs },
  '24h': { ms: 86_400_000, stepMs: 300_000 },
  '7d': { ms: 7 * 86_400_000, stepMs: 1_800_000 },
} as const

export type Range = keyof typeof ranges

export interface Series<Name extends string> {
  readonly stepMs: number
  /** Beginning of each step, milliseconds since 1970; the last one is under way. */
  readonly times: readonly number[]
  /** Null where nothing was measured. */
  readonly points: readonly (Point<Name> | null)[]
}

export class History<Name extends string> {
  readonly #store: Store
  readonly #subject: number
  readonly #empty: Point<Name>
  /** Slot (time divided by the step) → point; slots older than an hour are dropped. */
  readonly #fine = new Map<number, Point<Name>>()
  /** Minutes that are not stored yet: beginning → point. */
  #unstored = new Map<number, Point<Name>>()

  constructor(store: Store, subject: number, empty: Point<Name>, now: number) {
    this.#store = store
    this.#subject = subject
    this.#empty = empty
    this.#fillHour(now)
  }

  /** `now`: milliseconds since 1970. */
  add(now: number, point: Point<Name>): void {
    const slot = Math.floor(now / fineMs)
    const minute = Math.floor(now / minuteMs) * minuteMs
    if (!this.#fine.has(slot)) this.#keepHourBefore(slot)
    this.#fine.set(slot, addPoints(this.#fine.get(slot) ?? this.#empty, point))
    this.#unstored.set(minute, addPoints(this.#unstored.get(minute) ?? this.#empty, point))
  }

  /** Within a transaction of the caller, once a minute: writes what is new and removes what is too old. */
  save(now: number): void {
    const unstored = this.#unstored
    this.#unstored = new Map()
    for (const { step, keepMs } of storedSteps) {
      for (const [minute, point] of unstored) this.#addTo(step, minute, point)
      this.#store.metrics.prune(this.#subject, step, Math.floor((now - keepMs) / 1000))
    }
  }

  series(range: Range, now: number): Series<Name> {
    const { ms, stepMs } = ranges[range]
    const last = Math.floor(now / stepMs)
    const count = ms / stepMs
    const slots = Array.from({ length: count }, (_, n) => last - count + 1 + n)
    const found = range === '1h' ? this.#fine : this.#stored(range, (slots[0] as number) * stepMs, stepMs)
    return {
      stepMs,
      times: slots.map((slot) => slot * stepMs),
      points: slots.map((slot) => found.get(slot) ?? null),
    }
  }

  /** The finest points since then, oldest first. */
  since(time: number): Point<Name>[] {
    const first = Math.floor(time / fineMs)
    return [...this.#fine].filter(([slot]) => slot >= first).map(([, point]) => point)
  }

  #fillHour(now: number): void {
    const parts = minuteMs / fineMs
    const first = Math.floor(now / fineMs) - fineSlots
    for (const { at, point } of this.#store.metrics.since(this.#subject, 60, (first * fineMs) / 1000)) {
      const whole = readPoint(point, this.#empty)
      // the minute of the start is not over: it belongs to the slots that have begun
      const over = Math.min(parts, Math.floor(now / fineMs) + 1 - (at * 1000) / fineMs)
      for (let n = 0; n < over; n++) this.#fine.set((at * 1000) / fineMs + n, pieceOf(whole, n, over))
    }
  }

  /** Slots of the future are of a clock that was wrong for a while. */
  #keepHourBefore(newest: number): void {
    for (const slot of this.#fine.keys()) {
      if (slot > newest || slot <= newest - fineSlots) this.#fine.delete(slot)
    }
  }

  #addTo(step: number, minute: number, point: Point<Name>): void {
    const at = Math.floor(minute / (step * 1000)) * step
    const known = this.#store.metrics.find(this.#subject, step, at)
    const sum = known === null ? point : addPoints(readPoint(known, this.#empty), point)
    this.#store.metrics.put(this.#subject, step, { at, point: JSON.stringify(sum) })
  }

  /** Stored points and those that are not yet, by slot of `stepMs`. */
  #stored(range: Exclude<Range, '1h'>, from: number, stepMs: number): Map<number, Point<Name>> {
    const slots = new Map<number, Point<Name>>()
    const add = (time: number, point: Point<Name>) => {
      const slot = Math.floor(time / stepMs)
      slots.set(slot, addPoints(slots.get(slot) ?? this.#empty, point))
    }
    const rows = this.#store.metrics.since(this.#subject, range === '24h' ? 60 : 600, from / 1000)
    for (const { at, point } of rows) add(at * 1000, readPoint(point, this.#empty))
    for (const [minute, point] of this.#unstored) add(minute, point)
    return slots
  }
}
