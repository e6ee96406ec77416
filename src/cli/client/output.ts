import pc from 'picocolors'
import { printable } from './printable.ts'

type Colours = ReturnType<typeof pc.createColors>

export interface Stream {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

/** Data goes to stdout, everything a person is told meanwhile to stderr; `--json` makes the data one document. */
export interface Output {
  readonly json: boolean
  /** For stdout. */
  readonly colours: Colours
  /** For stderr. */
  readonly notes: Colours
  /** Is stderr a terminal, so that a line of progress can be drawn again? */
  readonly live: boolean
  readonly width: number
  /** A line of data. What comes from a server is printable already (shape.ts). */
  line(text: string): void
  /** Data as it is. */
  raw(text: string): void
  /** The one document of `--json`, or one line of NDJSON. */
  document(value: unknown, layout?: 'pretty' | 'line'): void
  /** Columns as wide as they need to be. */
  table(heads: readonly string[], rows: readonly (readonly string[])[]): void
  /** A line of progress, advice or warning. */
  note(text: string): void
  /** Progress as it is. */
  rawNote(text: string): void
}

export interface OutputOptions {
  readonly json: boolean
  readonly colour: boolean
}

export function createOutput(stdout: Stream, stderr: Stream, { json, colour }: OutputOptions): Output {
  const colours = pc.createColors(colour && stdout.isTTY === true)
  const line = (text: string) => void stdout.write(`${text}\n`)
  return {
    json,
    colours,
    notes: pc.createColors(colour && stderr.isTTY === true),
    live: stderr.isTTY === true,
    width: stderr.columns ?? 80,
    line,
    raw: (text) => void stdout.write(text),
    document: (value, layout = 'pretty') => line(toJson(value, layout)),
    table: (heads, rows) => {
      for (const row of align(heads, rows, colours.dim)) line(row)
    },
    note: (text) => void stderr.write(`${text}\n`),
    rawNote: (text) => void stderr.write(text),
  }
}

/** JSON whose text is safe on a terminal too: the C1 control characters, which JSON lets pass, are escaped. */
export function toJson(value: unknown, layout: 'pretty' | 'line'): string {
  return JSON.stringify(value, null, layout === 'pretty' ? 2 : undefined).replace(
    /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The first row are the heads, dimmed; the last column is not padded. */
export function align(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  head: (text: string) => string = (text) => text,
): string[] {
  const clean = rows.map((row) => row.map(printable))
  const widths = heads.map((name, i) =>
    [name, ...clean.map((row) => row[i] ?? '')].reduce((widest, cell) => Math.max(widest, cell.length), 0),
  )
  const lay = (row: readonly string[]) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd()
  return [head(lay(heads)), ...clean.map(lay)]
}
