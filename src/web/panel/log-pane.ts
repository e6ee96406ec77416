import type { AppLogLine } from '../../engine/app-log/line.ts'

/** A row of the log pane (`views/partials/log-pane.eta`). `raw` is there where escapes were taken out of `text`. */
export interface PaneLine {
  readonly text: string
  readonly raw?: string
  /** In the whole log, from 1. */
  readonly number?: number
  readonly head?: string
  readonly time?: string
  readonly err?: boolean
}

/** Longer lines are cut in the page; the download has them whole. */
const longestText = 8_000

// biome-ignore lint/suspicious/noControlCharactersInRegex: escapes of terminals begin with control characters
const escapes = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|[\x00-\x08\x0b-\x1f\x7f]/g

export function textLine(line: string, number?: number): PaneLine {
  const raw = line.slice(0, longestText)
  const text = raw.replace(escapes, '')
  return { text, ...(text !== raw && { raw }), ...(number !== undefined && { number }) }
}

export function appLine({ time, instance, stream, line }: AppLogLine): PaneLine {
  return { ...textLine(line), head: `${time.slice(11, 19)} ${instance}`, time, err: stream === 'err' }
}
