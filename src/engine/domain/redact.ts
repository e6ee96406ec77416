import { hiddenForms } from './hidden-forms.ts'

/** Takes the values of config vars out of text that people read. */
export interface Redactor {
  /** One line by itself. */
  line(text: string): string
  /** For lines of one output in order: also a value that goes on in the next line. */
  stream(): (line: string) => string
  /** Where a longer text may be cut, at most at `at`: never inside of a value, or of what may become one. */
  cut(text: string, at: number): number
}

export const mask = '***'

/** How much of a value at the end of a line is hidden before it is known whether the rest follows, characters. */
const telling = 6
/** Every form has at least so many characters: its first three tell where to look closer. */
const headLength = 3
const tableBits = 0x3fff

/**
 * A redactor of all forms in which these values are written (see `hiddenForms`). One pass over a line, however many
 * values there are: a table of their first three characters says where to compare. `known`: words that everybody may
 * read, so that the address of a project is not hidden because a config var holds it.
 */
export function createRedactor(values: Iterable<string>, known: readonly string[] = []): Redactor {
  const forms = hiddenForms(values, known)
  if (forms.length === 0) return nothingHidden
  const table = tableOf(forms)
  return {
    line: (text) => hide(text, table, 0).text,
    stream() {
      let begun: readonly Begun[] = []
      return (text) => {
        const head = continued(text, begun)
        const found = hide(text, table, head.length, head.masked)
        begun = head.open.length > 0 ? head.open : found.begun
        return found.text
      }
    },
    cut: (text, at) => cutBefore(text, at, table),
  }
}

export const nothingHidden: Redactor = {
  line: (text) => text,
  stream: () => (line) => line,
  cut: (_, at) => at,
}

/** A value of which the last line held the first `length` characters at its end. */
interface Begun {
  readonly form: string
  readonly length: number
}

interface Table {
  /** Of the hash of three characters: 1 where a form begins with them. */
  readonly heads: Uint8Array
  /** Longest first. */
  readonly byHead: ReadonlyMap<number, readonly string[]>
  readonly byFirst: ReadonlyMap<string, readonly string[]>
}

function tableOf(forms: readonly string[]): Table {
  const heads = new Uint8Array(tableBits + 1)
  const byHead = new Map<number, string[]>()
  const byFirst = new Map<string, string[]>()
  for (const form of [...forms].sort((a, b) => b.length - a.length)) {
    const head = headAt(form, 0)
    heads[head] = 1
    byHead.set(head, [...(byHead.get(head) ?? []), form])
    const first = form.charAt(0)
    byFirst.set(first, [...(byFirst.get(first) ?? []), form])
  }
  return { heads, byHead, byFirst }
}

function headAt(text: string, at: number): number {
  return (text.charCodeAt(at) * 961 + text.charCodeAt(at + 1) * 31 + text.charCodeAt(at + 2)) & tableBits
}

/** The beginning of a line that ends what the line before began. */
function continued(
  text: string,
  begun: readonly Begun[],
): { readonly length: number; readonly masked: boolean; readonly open: readonly Begun[] } {
  let length = 0
  const open: Begun[] = []
  for (const { form, length: had } of begun) {
    if (text.length > 0 && text.startsWith(form.slice(had))) length = Math.max(length, form.length - had)
    // a long value over more than two lines
    else if (text.length >= telling && form.startsWith(text, had)) {
      open.push({ form, length: had + text.length })
      length = text.length
    }
  }
  return { length, masked: length > 0, open }
}

/** `from`: what is before it is hidden already. Overlapping values become one mask. */
function hide(
  text: string,
  { heads, byHead, byFirst }: Table,
  from: number,
  masked = false,
): { readonly text: string; readonly begun: readonly Begun[] } {
  let out = masked ? mask : ''
  let end = from
  const begun: Begun[] = []
  const last = text.length - headLength
  // as `headAt`, but each character is looked at once: this loop is most of what a log costs
  let [first, second] = [text.charCodeAt(from), text.charCodeAt(from + 1)]
  for (let at = from; at <= last; at++) {
    const third = text.charCodeAt(at + 2)
    const head = (first * 961 + second * 31 + third) & tableBits
    first = second
    second = third
    if (heads[head] === 0) continue
    for (const form of byHead.get(head) ?? []) {
      const whole = text.startsWith(form, at)
      const left = text.length - at
      const cutOff = !whole && left < form.length && left >= telling && form.startsWith(text.slice(at))
      if (!whole && !cutOff) continue
      if (cutOff) begun.push({ form, length: left })
      // next to each other, two are hidden as one
      if (at > end || out === '') out += text.slice(end, at) + mask
      end = Math.max(end, at + (whole ? form.length : left))
      if (whole) break
    }
  }
  for (let at = Math.max(end, text.length - telling + 1); at < text.length; at++) {
    for (const form of byFirst.get(text.charAt(at)) ?? []) {
      if (form.startsWith(text.slice(at))) begun.push({ form, length: text.length - at })
    }
  }
  return { text: out === '' ? text : out + text.slice(end), begun }
}

function cutBefore(text: string, at: number, { heads, byHead }: Table): number {
  for (let begin = Math.max(0, at - longestOf(byHead) + 1); begin < at; begin++) {
    if (begin + headLength > text.length) break
    const head = headAt(text, begin)
    if (heads[head] === 0) continue
    const crosses = (form: string) =>
      begin + form.length > at &&
      (text.startsWith(form, begin) ||
        (text.length - begin < form.length && form.startsWith(text.slice(begin))))
    if (begin > 0 && byHead.get(head)?.some(crosses)) return begin
  }
  return at
}

function longestOf(byHead: Table['byHead']): number {
  let longest = 0
  for (const forms of byHead.values()) longest = Math.max(longest, forms[0]?.length ?? 0)
  return longest
}
