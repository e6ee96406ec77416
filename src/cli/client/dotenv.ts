import { usage } from './failure.ts'

/** The format of `.env` files as most tools read it: KEY=value, quotes, `#` comments, `export` before it. */

const line =
  /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'|`([^`]*)`|([^\r\n]*?))[ \t]*(?:[ \t]#[^\r\n]*)?$/

export function parseDotenv(text: string): Record<string, string> {
  const found: [string, string][] = []
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/)
  for (let at = 0; at < lines.length; at++) {
    let piece = lines[at] ?? ''
    if (/^\s*(#|$)/.test(piece)) continue
    const first = at + 1
    // a value in quotes may go over several lines
    while (isOpen(piece) && at + 1 < lines.length) piece += `\n${lines[++at]}`
    const [whole, key, double, single, backtick, bare] = line.exec(piece) ?? []
    if (whole === undefined || key === undefined) {
      throw usage(`line ${first} is not like KEY=value`, 'mend it, then import the file again')
    }
    found.push([key, double === undefined ? (single ?? backtick ?? bare ?? '') : withoutEscapes(double)])
  }
  return Object.fromEntries(found)
}

function isOpen(piece: string): boolean {
  return /^[^=]*=[ \t]*(?:"(?:[^"\\]|\\[\s\S])*|'[^']*|`[^`]*)$/.test(piece)
}

function withoutEscapes(text: string): string {
  const letters: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }
  return text.replace(/\\([\s\S])/g, (_, letter: string) => letters[letter] ?? letter)
}

/** Every value in quotes where it needs them, so that what is printed can be imported again. */
export function formatDotenv(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${quote(value)}\n`)
    .join('')
}

function quote(value: string): string {
  if (/^[A-Za-z0-9_./:@%+,=-]*$/.test(value)) return value
  const escaped = value
    .replace(/[\\"]/g, '\\$&')
    .replace(/\n/g, '\\n')
    .replace(/\r/g, '\\r')
    .replace(/\t/g, '\\t')
  return `"${escaped}"`
}
