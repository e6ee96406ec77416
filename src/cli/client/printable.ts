/**
 * Everything that strangers can name (commit messages, project names, log lines) reaches a terminal through
 * here: an escape sequence in it could move the cursor, rename the window or fake our own lines.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const control = /[\u0000-\u001f\u007f-\u009f]/g
/** They turn the direction of text around, so that a name reads as another one. */
const direction = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
/** ECMA-48: control sequences; the strings OSC, DCS, SOS, PM and APC; all other escapes. */
const sequence = new RegExp(
  [
    '(?:\\u001b\\[|\\u009b)[0-?]*[ -/]*[@-~]',
    '(?:\\u001b[\\]PX^_]|[\\u009d\\u0090\\u0098\\u009e\\u009f])[^\\u0007\\u001b\\u009c]*(?:\\u0007|\\u001b\\\\|\\u009c)?',
    '\\u001b[ -/]*[0-~]?',
  ].join('|'),
  'g',
)
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are escape sequences too
const colour = /^\u001b\[[0-9;:]*m$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: all but tab and the escape of a colour
const controlButColour = /[\u0000-\u0008\u000a-\u001a\u001c-\u001f\u007f-\u009f]/g

/** One line without control characters; tabs and line ends become spaces. */
export function printable(text: string): string {
  return text
    .replace(sequence, '')
    .replace(/[\t\r\n]+/g, ' ')
    .replace(control, '')
    .replace(direction, '')
}

/** A line of a log: colours stay when they are wanted (and are switched off at its end), nothing else does. */
export function printableLog(text: string, colours: boolean): string {
  let coloured = false
  const kept = text.replace(sequence, (found) => {
    if (!colours || !colour.test(found)) return ''
    coloured = true
    return found
  })
  const clean = kept.replace(controlButColour, '').replace(direction, '')
  return coloured ? `${clean}\u001b[0m` : clean
}

/** A text of several lines: to a terminal without escapes, to a program as it is. */
export function printableText(text: string, isTerminal: boolean): string {
  if (!isTerminal) return text
  return text
    .split('\n')
    .map((line) => printableLog(line, false))
    .join('\n')
}
