/** The fields of a head or of trailers, in their order, duplicates kept. */
export interface Fields {
  /** As they were written. */
  readonly names: readonly string[]
  /** In lower case. */
  readonly lower: readonly string[]
  /** Without space around them. */
  readonly values: readonly string[]
}

export const noFields: Fields = { names: [], lower: [], values: [] }

/**
 * Reads `name: value` lines of which each ends in CR LF. Null where one is not exactly that: a space before
 * the colon and a line that goes on in the next one (RFC 9112 5.1, 5.2) are no names.
 */
export function parseFields(text: string, from: number): Fields | null {
  const names: string[] = []
  const lower: string[] = []
  const values: string[] = []
  for (let at = from; at < text.length; ) {
    const end = text.indexOf('\r\n', at)
    const colon = text.indexOf(':', at)
    if (colon <= at || colon > end) return null
    const name = text.slice(at, colon)
    if (!isToken(name)) return null
    names.push(name)
    lower.push(name.toLowerCase())
    values.push(trimmed(text, colon + 1, end))
    at = end + 2
  }
  return { names, lower, values }
}

/** The first value of a field, `name` in lower case. */
export function fieldValue({ lower, values }: Fields, name: string): string | undefined {
  const n = lower.indexOf(name)
  return n < 0 ? undefined : values[n]
}

/** The value of every line of a field, `name` in lower case. */
export function fieldValues({ lower, values }: Fields, name: string): string[] {
  return values.filter((_, n) => lower[n] === name)
}

/** RFC 9110 5.6.2. */
export function isToken(text: string): boolean {
  for (let n = 0; n < text.length; n++) {
    const code = text.charCodeAt(n)
    if (code > 127 || tokenCodes[code] !== 1) return false
  }
  return text.length > 0
}

const tokenCodes = new Uint8Array(128)
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  tokenCodes[character.charCodeAt(0)] = 1
}

/** By hand: a regular expression that trims the end of a text looks at every space in it again and again. */
function trimmed(text: string, from: number, to: number): string {
  let [start, end] = [from, to]
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}
