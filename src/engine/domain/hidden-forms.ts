/**
 * Shorter values are not hidden: they occur by chance in every other line (`1`, `true`, `info`), a log full of
 * `***` says nothing, and nothing of five characters keeps anybody out.
 */
const shortest = 6

/** Values of six characters and more that are settings, not secrets; hiding them would hide what a line is about. */
const ordinary: ReadonlySet<string> = new Set([
  ...['production', 'development', 'staging', 'testing', 'preview', 'enabled', 'disabled', 'default'],
  ...['verbose', 'warning', 'silent', 'localhost', '0.0.0.0', '127.0.0.1', 'postgres', 'sqlite', 'server'],
  ...['client', 'node.js', 'nodejs', 'utf-8', 'C.UTF-8', 'en_US.UTF-8', 'Europe', 'always', 'native'],
])

/** A port, a size, a time in ms. */
const smallNumber = /^\d{1,7}$/

/**
 * Every text by which one of these values could be read out of a log: as it is; each line of it, for output comes in
 * lines; the password of an address; and encoded as JSON, for an address, and in base64.
 */
export function hiddenForms(values: Iterable<string>, known: readonly string[]): string[] {
  const forms = new Set<string>()
  const add = (form: string) => {
    if (isSecret(form) && !known.some((word) => word.includes(form))) forms.add(form)
  }
  for (const value of values) {
    if (!isSecret(value) || known.some((word) => word.includes(value))) continue
    for (const line of value.split(/[\r\n]+/)) add(line.trim())
    add(JSON.stringify(value).slice(1, -1))
    add(passwordIn(value))
    add(forAddress(value))
    const bytes = Buffer.from(value)
    add(bytes.toString('base64').replace(/=+$/, ''))
    add(bytes.toString('base64url'))
  }
  return [...forms]
}

function isSecret(text: string): boolean {
  return text.length >= shortest && !smallNumber.test(text) && !ordinary.has(text)
}

/** `postgres://shop:PASSWORD@db/shop`, as it stands there. */
function passwordIn(value: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\/[^/@\s:]*:([^/@\s]+)@/i.exec(value)?.[1] ?? ''
}

function forAddress(value: string): string {
  try {
    return encodeURIComponent(value)
  } catch {
    // half a character
    return ''
  }
}
