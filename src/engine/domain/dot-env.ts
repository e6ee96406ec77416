import { Refusal } from './refusal.ts'

/**
 * Reads the text of a .env file as people write them: `NAME=value`, `export NAME=value`, comments, values in single or
 * double quotes that may go over several lines. `\n`, `\r`, `\t`, `\"`, `\\` and `\$` mean what they mean in
 * double quotes only, and nothing is expanded. Refuses with `invalid`, naming the line.
 */
export function parseDotEnv(text: string): Record<string, string> {
  const values = new Map<string, string>()
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ''
    if (/^\s*(#|$)/.test(line)) continue
    const found = /^\s*(?:export\s+)?([^\s=]+)\s*=\s*(.*)$/.exec(line)
    if (!found) throw wrong(index, `"${line.trim().slice(0, 40)}" is not NAME=value`)
    const [, name = '', rest = ''] = found
    const quote = rest[0]
    if (quote !== '"' && quote !== "'" && quote !== '`') {
      values.set(name, bare(rest))
      continue
    }
    const pieces = [rest.slice(1)]
    const began = index
    let end = closing(pieces[0] ?? '', quote)
    while (end === -1) {
      index++
      if (index >= lines.length) throw wrong(began, `the quote of ${name} is never closed`)
      const next = lines[index] ?? ''
      pieces.push(next)
      end = closing(next, quote)
    }
    const last = pieces.pop() ?? ''
    if (!/^\s*(#.*)?$/.test(last.slice(end + 1))) throw wrong(index, `something follows the value of ${name}`)
    const value = [...pieces, last.slice(0, end)].join('\n')
    values.set(name, quote === '"' ? unquote(value) : value)
  }
  return Object.fromEntries(values)
}

/** The text of a .env file that `parseDotEnv` reads back as it was. */
export function formatDotEnv(values: Readonly<Record<string, string>>): string {
  const lines = Object.entries(values).map(([name, value]) => `${name}=${quoted(value)}`)
  return lines.map((line) => `${line}\n`).join('')
}

function quoted(value: string): string {
  if (/^[A-Za-z0-9_./:@%+,=-]*$/.test(value)) return value
  if (!/['\n\r]/.test(value)) return `'${value}'`
  const escaped = value
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('$', '\\$')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
  return `"${escaped}"`
}

/** A ` #` begins a comment; a `#` in the middle of a word is part of it. */
function bare(rest: string): string {
  return rest.replace(/(^|\s)#.*$/, '').trim()
}

/** Where an open quote closes in this line; -1 when it does not. */
function closing(text: string, quote: string): number {
  for (let at = 0; at < text.length; at++) {
    if (quote === '"' && text[at] === '\\') at++
    else if (text[at] === quote) return at
  }
  return -1
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', $: '$' }

function unquote(text: string): string {
  return text.replaceAll(/\\([nrt"\\$])/g, (_, sign: string) => escapes[sign] ?? sign)
}

function wrong(index: number, what: string): Refusal {
  const message = `line ${index + 1}: ${what}`
  return new Refusal('invalid', message, { fields: [{ field: 'env', message }] })
}
