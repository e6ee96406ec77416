import type { LogBatch } from '../../engine/app-log/follow.ts'
import type { AppLogLine } from '../../engine/app-log/line.ts'
import { eventText } from './event-stream.ts'

/** Lines of apps as the API says them. Twenty viewers of one line share its text. */

const texts = new WeakMap<AppLogLine, string>()

type Entry = LogBatch['entries'][number]

export function presentLine({ time, instance, stream, line }: AppLogLine) {
  return { time, instance, stream, line }
}

/** `{time,instance,stream,line}`, or `{gap}` for what was missed. */
export function entryText(entry: Entry): string {
  if ('gap' in entry) return `{"gap":${entry.gap}}`
  const known = texts.get(entry)
  if (known !== undefined) return known
  const text = JSON.stringify(presentLine(entry))
  texts.set(entry, text)
  return text
}

/** An event a line, each with its own place. */
export function singleEvents(batch: LogBatch): string {
  if (batch.entries.length === 0) return eventText({ id: batch.cursor })
  const cursors = batch.cursors()
  return batch.entries
    .map((entry, index) => {
      const data = entryText(entry)
      const id = cursors[index] ?? batch.cursor
      return eventText('gap' in entry ? { event: 'gap', id, data } : { id, data })
    })
    .join('')
}

/** One event for all that came together, an array: much less work for a browser. */
export function batchEvent(batch: LogBatch): string {
  if (batch.entries.length === 0) return eventText({ id: batch.cursor })
  return eventText({ id: batch.cursor, data: `[${batch.entries.map(entryText).join(',')}]` })
}
