import { stripVTControlCharacters } from 'node:util'

/** Characters; longer lines are cut. */
const longest = 1000

/**
 * One line that is safe to print on a stranger's terminal: no escape sequences, no control or direction
 * characters, at most 1,000 characters. Indentation is kept.
 */
export function printable(line: string): string {
  const clean = stripVTControlCharacters(line.slice(0, 16 * longest))
    .replace(/[\t\r\n\v\f\u0085\u2028\u2029]+/g, ' ')
    .replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '')
    .trimEnd()
  if (clean.length <= longest) return clean
  return `${clean.slice(0, longest - 1).replace(/[\ud800-\udbff]$/, '')}…`
}
