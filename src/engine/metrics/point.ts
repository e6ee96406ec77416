import { z } from 'zod'
import { addHistograms, type Histogram } from '../router/latency.ts'

/**
 * What was measured in a stretch of time, as sums: two stretches together are their points added. Means and
 * percentiles are made only when somebody looks.
 */
export interface Point<Name extends string> {
  readonly sums: Readonly<Record<Name, number>>
  /** Times until an answer began; empty for the machine. */
  readonly latency: Histogram
}

/**
 * `looks`: how often `cpu` (percent of one core) and `memory` (bytes) were taken. `heard`: how often the front
 * door told its counters, so that no requests can be told from nobody having counted.
 */
export type ProjectPoint = Point<'looks' | 'cpu' | 'memory' | 'heard' | 'requests' | 'errors' | 'restarts'>

/** `looks` of `cpu` (percent of all cores), `memory` and `disk` (bytes used), `load`; `ms` in which `rx` and `tx` bytes passed. */
export type MachinePoint = Point<'looks' | 'cpu' | 'memory' | 'disk' | 'load' | 'ms' | 'rx' | 'tx'>

export const emptyProjectPoint: ProjectPoint = {
  sums: { looks: 0, cpu: 0, memory: 0, heard: 0, requests: 0, errors: 0, restarts: 0 },
  latency: [],
}
export const emptyMachinePoint: MachinePoint = {
  sums: { looks: 0, cpu: 0, memory: 0, disk: 0, load: 0, ms: 0, rx: 0, tx: 0 },
  latency: [],
}

export function addPoints<Name extends string>(one: Point<Name>, other: Point<Name>): Point<Name> {
  return {
    sums: sumsOf(one, (name) => one.sums[name] + other.sums[name]),
    latency: addHistograms(one.latency, other.latency),
  }
}

/**
 * One of `parts` equal pieces, for a finer plot of what is only known as a whole. Counted things stay whole
 * numbers, and all pieces together are the point again; each piece has the percentiles of the whole.
 */
export function pieceOf<Name extends string>(point: Point<Name>, index: number, parts: number): Point<Name> {
  const upTo = (name: Name, n: number) => {
    const share = (point.sums[name] * n) / parts
    return counted.has(name) ? Math.floor(share) : share
  }
  return {
    sums: sumsOf(point, (name) => upTo(name, index + 1) - upTo(name, index)),
    latency: point.latency,
  }
}

/** What is shown as it is, not as a mean. */
const counted: ReadonlySet<string> = new Set(['requests', 'errors', 'restarts'])

const stored = z.object({
  sums: z.record(z.string(), z.number()),
  latency: z.array(z.tuple([z.number().int().nonnegative(), z.number().nonnegative()])),
})

/** From the database; names that another version did not write are 0. */
export function readPoint<Name extends string>(text: string, empty: Point<Name>): Point<Name> {
  const { sums, latency } = stored.parse(JSON.parse(text))
  return { sums: sumsOf(empty, (name) => sums[name] ?? 0), latency }
}

function sumsOf<Name extends string>(like: Point<Name>, value: (name: Name) => number): Record<Name, number> {
  const names = Object.keys(like.sums) as Name[]
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Record<Name, number>
}
