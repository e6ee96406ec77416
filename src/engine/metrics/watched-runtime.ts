import type { EngineRuntime, Report } from '../context.ts'
import type { GroupRef, InstanceStats } from '../ports.ts'

/** What ran at one moment. */
export interface Sight {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Null: the runtime did not answer. */
  readonly instances: readonly InstanceStats[] | null
  find(ref: Omit<GroupRef, 'release'> & { readonly index: number }): InstanceStats | undefined
}

export interface WatchedRuntime {
  /** The same runtime; whoever changes something through it makes the last look out of date. */
  readonly runtime: EngineRuntime
  /**
   * What runs now, for people and programs: the last look, as long as nothing has changed since and it is
   * younger than `olderMs`. Never throws.
   */
  look(olderMs?: number): Promise<Sight>
  /** Another number than before: the next look may show something else. Below 0: no number twice. */
  revision(): number
}

/** Somebody always looks within this while the server runs (`sampler.ts`), ms. */
const calmMs = 6_000
/** While something is starting again, nothing announces when it is there, ms. */
const restlessMs = 150
const restlessAfterExitMs = 2_000
/** A runtime that is away is not asked by every reader, ms. */
const awayMs = 500

/**
 * Asking the process manager takes milliseconds and grows with all that runs, so pages and lists share one
 * answer. It is dropped at the beginning and end of every change and when a process ends, so that a reader
 * always sees what was done before it asked.
 */
export function watchRuntime(
  inner: EngineRuntime,
  { clock, report }: { readonly clock: () => number; readonly report: Report },
): WatchedRuntime {
  let changes = 0
  let looks = 0
  let unnamed = 0
  let lastExit = Number.NEGATIVE_INFINITY
  let last: { readonly sight: Sight; readonly changes: number; readonly keepMs: number } | null = null
  let asking: { readonly sight: Promise<Sight>; readonly changes: number } | null = null
  const changing =
    <Args extends readonly unknown[], T>(call: (...args: Args) => Promise<T>) =>
    async (...args: Args): Promise<T> => {
      changes++
      try {
        return await call(...args)
      } finally {
        changes++
      }
    }
  inner.onExit(() => {
    changes++
    lastExit = clock()
  })
  inner.onLost(() => {
    changes++
  })

  const ask = async (): Promise<Sight> => {
    const before = changes
    const sight = await observe(inner, { clock, report })
    if (asking?.changes === before) asking = null
    if (changes === before) {
      last = { sight, changes, keepMs: keepMsOf(sight, isWithin(lastExit, restlessAfterExitMs)) }
      looks++
    }
    return sight
  }
  /** What lies in the future was seen before the clock was set back: nobody knows how long ago. */
  const isWithin = (since: number, ms: number) => clock() >= since && clock() - since < ms
  const isGood = (olderMs: number) =>
    last !== null && last.changes === changes && isWithin(last.sight.at, Math.min(last.keepMs, olderMs))

  return {
    runtime: {
      ...inner,
      connect: changing(inner.connect),
      close: changing(inner.close),
      start: changing(inner.start),
      stop: changing(inner.stop),
      endOrphans: changing(inner.endOrphans),
      shutdown: changing(inner.shutdown),
    },
    async look(olderMs = calmMs) {
      if (last && isGood(olderMs)) return last.sight
      // an answer that was asked for before the last change would not show it
      if (asking?.changes !== changes) asking = { sight: ask(), changes }
      return asking.sight
    },
    revision: () => (isGood(calmMs) ? looks : --unnamed),
  }
}

async function observe(
  runtime: EngineRuntime,
  { clock, report }: { readonly clock: () => number; readonly report: Report },
): Promise<Sight> {
  try {
    const instances = await runtime.stats()
    const byKey = new Map(instances.map((instance) => [keyOf(instance), instance]))
    return { at: clock(), instances, find: (ref) => byKey.get(keyOf(ref)) }
  } catch (error) {
    report.error('the runtime does not answer', error)
    return { at: clock(), instances: null, find: () => undefined }
  }
}

function keepMsOf({ instances }: Sight, justEnded: boolean): number {
  if (instances === null) return awayMs
  const restless = justEnded || instances.some(({ status }) => status === 'restarting')
  return restless ? restlessMs : calmMs
}

function keyOf({ project, type, generation, index }: Omit<GroupRef, 'release'> & { readonly index: number }) {
  return `${project} ${type} ${generation} ${index}`
}
