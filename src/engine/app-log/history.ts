import { closingMs, createAssembler, type FoundLine, type Position } from './assemble.ts'
import { type Chain, openChain } from './chain.ts'
import type { Cursor, FilePosition } from './cursor.ts'
import { createSplitter, instancesIn } from './file.ts'
import { type AppLog, type AppLogLine, instanceFilter, type LogQuery, lineFilter } from './line.ts'
import { mergeByTime } from './merge.ts'

/** What was written until now: read from the end, or from where a viewer left off. */

/** How far a viewer that follows has come in one file: nothing behind it belongs to the past. */
export interface Reach extends FilePosition {
  /** How far it has read: a part, and a place in it. */
  readonly endsIn: string
  readonly end: number
  /** Lines that are not at their end there. */
  readonly openKeys: ReadonlySet<string>
}

export interface PlacedLine {
  readonly line: AppLogLine
  readonly instance: string
  readonly after: FilePosition
}

export interface Past {
  readonly lines: readonly PlacedLine[]
  /** The place before the first of them. */
  readonly from: Cursor
  /** The place where what comes next begins. */
  readonly to: Cursor
  /** Matching lines that were left out before these. */
  readonly skipped: number
}

/** Up to where to read; to the end where it is left out. */
export interface Until {
  readonly reach?: ReadonlyMap<string, Reach>
  /** Without it, lines that are not ended yet count as ended; ms. */
  readonly now?: number
}

/** How far back in one file a query reads, bytes: little first, as the newest lines are mostly enough. */
const windows = [128_000, 1_000_000, 4_000_000]
/** Nobody who was away for longer gets everything, bytes of one file. */
const longestAbsence = 16_000_000

/** The newest matching lines of all instances, oldest first. */
export async function readNewest(log: AppLog, query: LogQuery, until: Until = {}): Promise<Past> {
  const ofInstance = instanceFilter(query)
  return readAll(log, query, until, async (chain, end, read, instance) => {
    for (const window of windows) {
      const past = await read(await chain.boundaryAt(end - window), 0)
      const enough = past.lines.length >= query.lines || end <= window || !ofInstance(instance)
      if (enough || window === windows.at(-1)) return { ...past, skipped: 0 }
    }
    throw new Error(`unreachable: the last window of ${instance} is read`)
  })
}

/** Everything that matches from `cursor` on, but not more than the newest `query.lines`. */
export async function readSince(
  log: AppLog,
  query: LogQuery,
  cursor: Cursor,
  until: Until = {},
): Promise<Past> {
  return readAll(log, query, until, async (chain, end, read, instance) => {
    const known = cursor.get(instance)
    const place = known && (known.identity === '' ? 0 : chain.find(known.identity, known.base))
    // its part was given up, and nobody knows how many more
    const isGone = known !== undefined && place === null && chain.segments.length > 1
    const from = place ?? 0
    if (end - from <= longestAbsence) {
      const past = await read(from, place === null ? 0 : (known?.skip ?? 0))
      return isGone ? { ...past, skipped: past.skipped + 1 } : past
    }
    const past = await read(await chain.boundaryAt(end - longestAbsence), 0)
    return { ...past, skipped: past.skipped + 1 }
  })
}

interface FilePast {
  readonly instance: string
  readonly lines: readonly PlacedLine[]
  readonly from: FilePosition
  readonly to: FilePosition
  readonly skipped: number
}

type ReadFrom = (base: number, skip: number) => Promise<FilePast>
type ReadFile = (chain: Chain, end: number, read: ReadFrom, instance: string) => Promise<FilePast>

async function readAll(log: AppLog, query: LogQuery, until: Until, readFile: ReadFile): Promise<Past> {
  const { reach } = until
  const { directory, hiding } = log
  const instances = reach ? [...reach.keys()] : await instancesIn(directory)
  const files: FilePast[] = []
  // who goes on from here needs a place in every file, also in those that nothing is wanted of
  const wantsPlace = until.now !== undefined
  const ofInstance = instanceFilter(query)
  // one after the other: each may hold megabytes while it is read
  for (const instance of instances.filter((name) => wantsPlace || ofInstance(name))) {
    const chain = await openChain(directory, instance)
    if (!chain) continue
    try {
      const limit = reach?.get(instance)
      const end = limit ? chain.find(limit.endsIn, limit.end) : chain.size
      // emptied and filled anew since: what it holds now is still to come
      if (end === null) continue
      const wanted = { chain, instance, hiding, query, end, ends: endsLine(until, limit) }
      files.push(await readFile(chain, end, (base, skip) => linesFrom(wanted, { base, skip }), instance))
    } finally {
      await chain.close()
    }
  }
  return choose(files, query.lines)
}

type EndsLine = (lastAt: number, key: string) => boolean

/** Which lines that have no ending yet count as ended. */
function endsLine({ now }: Until, reach: Reach | undefined): EndsLine {
  if (reach) return (_, key) => !reach.openKeys.has(key)
  return now === undefined ? () => true : (lastAt) => now - lastAt > closingMs
}

interface Wanted {
  readonly chain: Chain
  readonly hiding: AppLog['hiding']
  readonly instance: string
  readonly query: LogQuery
  readonly end: number
  readonly ends: EndsLine
}

/** The newest matching lines from a place on; older ones are only counted, so that memory has a bound. */
async function linesFrom(wanted: Wanted, start: Position): Promise<FilePast> {
  const { chain, instance, query } = wanted
  const placed = ({ base, skip }: Position): FilePosition => ({ ...chain.placeOf(base), skip })
  const matches = lineFilter(query)
  const lines: PlacedLine[] = []
  let from = placed(start)
  let skipped = 0
  const drop = (count: number) => {
    from = lines.splice(0, Math.max(count, 0)).at(-1)?.after ?? from
    skipped += Math.max(count, 0)
  }
  const keep = (found: readonly FoundLine[]) => {
    for (const { line, after } of found) {
      if (matches(line)) lines.push({ line, instance, after: placed(after) })
    }
    if (lines.length > 2 * query.lines) drop(lines.length - query.lines)
  }
  const assembler = createAssembler(instance, wanted.hiding, start)
  const splitter = createSplitter(start.base, (text, at, stop) => keep(assembler.push(text, at, stop)))
  for await (const piece of chain.read(start.base, wanted.end)) splitter.push(piece)
  keep(assembler.close(wanted.ends))
  drop(lines.length - query.lines)
  return { instance, lines, from, to: placed(assembler.position()), skipped }
}

/** The newest of all files together. */
function choose(files: readonly FilePast[], most: number): Past {
  const lines = mergeByTime(files.map((file) => file.lines))
  const left = lines.splice(0, Math.max(lines.length - most, 0))
  const to = new Map(files.map((file) => [file.instance, file.to]))
  const from = new Map(files.map((file) => [file.instance, file.lines.length > 0 ? file.from : file.to]))
  for (const { instance, after } of left) from.set(instance, after)
  return { lines, from, to, skipped: left.length + files.reduce((sum, file) => sum + file.skipped, 0) }
}
