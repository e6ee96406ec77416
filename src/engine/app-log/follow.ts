import { type Cursor, type FilePosition, readCursor, writeCursor } from './cursor.ts'
import { type Past, readNewest, readSince } from './history.ts'
import { type AppLog, type AppLogLine, type LogQuery, lineFilter } from './line.ts'
import type { Entry, Gap } from './ring.ts'
import { Tail, type TailOptions } from './tail.ts'

export interface FollowQuery extends LogQuery {
  /** The cursor to go on from; `lines` then bounds nothing but what was missed. */
  readonly after?: string | undefined
}

/** What came together. */
export interface LogBatch {
  readonly entries: readonly (AppLogLine | Gap)[]
  /** The place behind all of it, for `after`. */
  readonly cursor: string
  /** The place behind each entry. */
  cursors(): string[]
}

/** So many lines come together at most. */
const batchLines = 500
/** Who comes back after a break gets so many of what was missed. */
const mostMissed = 5_000

export type Followers = ReturnType<typeof createFollowers>

/** Everybody who follows a project's log shares one tail; it ends with the last of them. */
export function createFollowers(options: Omit<TailOptions, 'log'>) {
  const tails = new Map<string, { readonly tail: Tail; viewers: number }>()
  const inOrder = createLine()

  const enter = (log: AppLog) => {
    const found = tails.get(log.directory) ?? { tail: new Tail({ ...options, log }), viewers: 0 }
    tails.set(log.directory, found)
    found.viewers++
    return found.tail
  }
  const leave = ({ directory }: AppLog) => {
    const found = tails.get(directory)
    if (!found || --found.viewers > 0) return
    tails.delete(directory)
    found.tail.stop()
  }

  async function* follow(
    log: AppLog,
    query: FollowQuery,
    after: Cursor | null,
    signal: AbortSignal,
  ): AsyncGenerator<LogBatch> {
    const tail = enter(log)
    try {
      await tail.ready
      const { next, reach } = tail.published()
      // one at a time: each may read megabytes
      const past = await inOrder(() =>
        after
          ? readSince(log, { ...query, lines: mostMissed }, after, { reach })
          : readNewest(log, query, { reach }),
      )
      const place = new Map<string, FilePosition>(reach)
      for (const [instance, position] of past.from) place.set(instance, position)
      yield* batchesOf(past, place, after !== null)
      yield* live(tail, next, place, query, signal)
    } finally {
      leave(log)
    }
  }

  return {
    /** First the past, then what comes, without loss or repetition at the seam, until the signal is aborted. */
    follow(log: AppLog, query: FollowQuery, signal: AbortSignal): AsyncGenerator<LogBatch> {
      // a bad place is refused before anything begins
      const after = query.after === undefined ? null : readCursor(query.after)
      return follow(log, query, after, signal)
    },
    /** How many projects are being followed. */
    watched: () => tails.size,
  }
}

/** The past, ready to be sent; at least one batch, so that everybody has a place to come back to. */
function* batchesOf(past: Past, place: Map<string, FilePosition>, tellSkipped: boolean): Generator<LogBatch> {
  let rest: readonly Entry[] = past.lines
  if (tellSkipped && past.skipped > 0) rest = [{ gap: past.skipped }, ...rest]
  do {
    yield batchOf(rest.slice(0, batchLines), place)
    rest = rest.slice(batchLines)
  } while (rest.length > 0)
}

async function* live(
  tail: Tail,
  from: number,
  place: Map<string, FilePosition>,
  query: LogQuery,
  signal: AbortSignal,
): AsyncGenerator<LogBatch> {
  const matches = lineFilter({ ...query, since: undefined })
  for (let next = from; !signal.aborted; ) {
    const missed = tail.ring.oldest() - next
    if (missed > 0) {
      next += missed
      yield batchOf([{ gap: missed }], place)
      continue
    }
    const entries = tail.ring.take(next, batchLines)
    if (entries.length === 0) {
      await tail.changed(signal)
      continue
    }
    next += entries.length
    const wanted = entries.filter((entry) => !('line' in entry) || matches(entry.line))
    if (wanted.length > 0) yield batchOf(wanted, place)
    // lines that do not match move the place as well
    advance(place, entries)
  }
}

/** Moves `place` behind the entries. The places between them are made for those only who ask. */
function batchOf(entries: readonly Entry[], place: Map<string, FilePosition>): LogBatch {
  const before: Cursor = new Map(place)
  advance(place, entries)
  return {
    entries: entries.map((entry) => ('line' in entry ? entry.line : entry)),
    cursor: writeCursor(place),
    cursors() {
      const here = new Map(before)
      return entries.map((entry) => {
        advance(here, [entry])
        return writeCursor(here)
      })
    },
  }
}

function advance(place: Map<string, FilePosition>, entries: readonly Entry[]): void {
  for (const entry of entries) if ('line' in entry) place.set(entry.instance, entry.after)
}

/** Runs one piece of work after the other. */
function createLine() {
  let last: Promise<unknown> = Promise.resolve()
  return <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }
}
