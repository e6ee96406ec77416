import { createHash } from 'node:crypto'
import { Refusal } from '../../engine/domain/refusal.ts'

type FormFields = Readonly<Record<string, string | undefined>>

interface Care {
  /** Fields that must be as they were shown, because something else that was sent belongs to what they held. */
  readonly bound?: readonly string[]
  /** What is set now is not said. */
  readonly secret?: boolean
  /** The label of a field, where that is not its name. */
  readonly called?: (name: string) => string | undefined
}

/** The hidden field in which a form says what it was filled with. No setting and no process type has a dot. */
export const shownField = 'form.shown'

/** What to put into it: a mark for each field, so that a long one is not sent twice. */
export function shownAs(fields: Readonly<Record<string, unknown>>): string {
  const marks = Object.entries(fields).map(([name, value]) => [name, markOf(String(value ?? ''))])
  return JSON.stringify(Object.fromEntries(marks))
}

/**
 * What the user has changed in a form that may have been open for hours, so that it writes nothing back that others
 * have changed since. `now` is what the form would be filled with now; a field that is not in it is gone.
 * Refuses with `conflict` where the same field was changed by both, and with `malformed` a form that does not say what
 * it was filled with.
 */
export function editsIn(
  input: FormFields,
  now: FormFields,
  { bound = [], secret = false, called = () => undefined }: Care = {},
): FormFields {
  const marks = marksIn(input)
  if (marks === null) {
    throw new Refusal('malformed', 'this form does not say what it was filled with', {
      hint: 'load the page again, then change what you want to change',
    })
  }
  const edited = editedIn(input)
  const clashing = [...new Set([...Object.keys(edited), ...bound])].filter((name) => {
    const [mine, theirs] = [markOf(input[name]), markOf(now[name])]
    return theirs !== marks[name] && (theirs !== mine || now[name] === undefined)
  })
  if (clashing.length === 0) return edited
  const fields = clashing.map((field) => ({ field, message: whatIsNow(now[field], secret) }))
  const told = fields.map(({ field, message }) => `${called(field) ?? field} (${message})`).join(', ')
  throw new Refusal('conflict', `changed by somebody else since this page was loaded: ${told}`, {
    hint: 'nothing was saved: look at what is set now, and save again what you still want',
    fields,
  })
}

/**
 * The fields that do not hold what they were filled with; of those that are not sent (an empty box) too. None of a
 * form that does not say it.
 */
export function editedIn(input: FormFields): FormFields {
  const changed = Object.entries(marksIn(input) ?? {}).filter(([name, mark]) => markOf(input[name]) !== mark)
  return Object.fromEntries(changed.map(([name]) => [name, input[name] ?? '']))
}

function marksIn(input: FormFields): Readonly<Record<string, unknown>> | null {
  try {
    const marks: unknown = JSON.parse(input[shownField] ?? '')
    return typeof marks === 'object' ? (marks as Record<string, unknown> | null) : null
  } catch {
    return null
  }
}

/** Browsers send line ends as CR LF. */
function markOf(text: string | undefined): string {
  return createHash('sha256')
    .update((text ?? '').replaceAll('\r\n', '\n'))
    .digest('base64url')
    .slice(0, 12)
}

function whatIsNow(text: string | undefined, secret: boolean): string {
  if (text === undefined) return 'it is gone now'
  if (text === '') return 'it is empty now'
  return secret || /\n|^.{101}/.test(text) ? 'it is another text now' : `it is ${text} now`
}
