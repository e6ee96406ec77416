import { type LogRecord, parseLogRecord } from '../drivers/pm2/log-record.ts'
import type { AppLogLine, Hiding } from './line.ts'

/**
 * The runtime records one write after the other; lines are put together here, by stream and generation. The
 * same bytes always give the same lines, wherever reading began: that makes a place in a file worth keeping.
 */

/** A place between two lines: where the reading of records may begin, bytes, and how many lines to leave out then. */
export interface Position {
  readonly base: number
  readonly skip: number
}

export interface FoundLine {
  readonly line: AppLogLine
  /** The place behind it. */
  readonly after: Position
}

/** What was written and neither ended nor gone on with in this time is a line of its own, ms. */
export const longestPauseMs = 3_000
/** The clock says the same, but waits for records that are still on their way, ms. */
export const closingMs = longestPauseMs + 2_000
/** A longer line comes in pieces, characters. */
export const longestLine = 65_536

interface OpenLine {
  readonly text: string
  readonly facts: Omit<AppLogLine, 'line'>
  readonly lastAt: number
}

export type Assembler = ReturnType<typeof createAssembler>

export function createAssembler(instance: string, hiding: Hiding, from: Position = { base: 0, skip: 0 }) {
  const open = new Map<string, OpenLine>()
  let { base } = from
  let end = base
  let count = 0
  let found: FoundLine[] = []

  const emit = (facts: Omit<AppLogLine, 'line'>, line: string) => {
    count++
    if (base !== from.base || count > from.skip) {
      found.push({ line: { ...facts, line: hiding(facts.release).line(line) }, after: { base, skip: count } })
    }
  }
  const close = (wanted: (open: OpenLine, key: string) => boolean) => {
    for (const [key, line] of open) {
      if (!wanted(line, key)) continue
      open.delete(key)
      emit(line.facts, line.text)
    }
  }
  /** With no line open, reading may begin right here. */
  const settle = (at: number) => {
    if (open.size > 0) return
    const last = found.at(-1)
    if (last && last.after.base === base && last.after.skip === count) {
      found[found.length - 1] = { line: last.line, after: { base: at, skip: 0 } }
    }
    base = at
    count = 0
  }
  const take = () => {
    const taken = found
    found = []
    return taken
  }

  return {
    /** One record and where it lies, bytes. Torn and foreign ones are left out. */
    push(text: string, start: number, stop: number): FoundLine[] {
      const record = parseLogRecord(text)
      end = stop
      if (record) {
        const at = Date.parse(record.time)
        close((line) => at - line.lastAt > longestPauseMs)
        settle(start)
        add(record, at)
      }
      settle(stop)
      return take()
    },
    /** Ends lines that nothing was added to for long, or those that `wanted` names. */
    close(wanted: (lastAt: number, key: string) => boolean): FoundLine[] {
      if (open.size === 0) return []
      close((line, key) => wanted(line.lastAt, key))
      settle(end)
      return take()
    },
    position: (): Position => ({ base, skip: count }),
    /** How far it has read, bytes. */
    end: () => end,
    openKeys: (): ReadonlySet<string> => new Set(open.keys()),
  }

  function add(record: LogRecord, at: number): void {
    const key = `${record.generation} ${record.stream}`
    const pending = open.get(key)
    const parts = ((pending?.text ?? '') + record.text).split(/\r?\n/)
    let rest = parts.pop() ?? ''
    const { time, release, generation, stream } = record
    const facts = { time, instance, release, generation, stream }
    const first = pending?.facts ?? facts
    open.delete(key)
    for (const [index, line] of parts.entries()) emit(index === 0 ? first : facts, line)
    const begun = parts.length === 0 ? first : facts
    while (rest.length > longestLine) {
      const cut = hiding(begun.release).cut(rest, longestLine)
      emit(begun, rest.slice(0, cut))
      rest = rest.slice(cut)
    }
    if (rest) {
      open.set(key, { text: rest, facts: begun, lastAt: at })
    }
  }
}
