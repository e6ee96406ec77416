import { type Fields, fieldValues } from './fields.ts'

/** Where the body of a message ends (RFC 9112 6.3). */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  /** With the connection; only answers. */
  | { readonly kind: 'close' }

export const withoutBody: Framing = { kind: 'none' }
const chunked: Framing = { kind: 'chunked' }
const untilClose: Framing = { kind: 'close' }

/**
 * Of a request; a number is the status to refuse it with. Whatever two machines could read in two ways is
 * refused: two lengths, a length beside a transfer encoding, an encoding in HTTP/1.0, one that does not end
 * in `chunked`.
 */
export function requestFraming(fields: Fields, minor: 0 | 1): Framing | 400 | 501 {
  const hasEncoding = fields.lower.includes('transfer-encoding')
  const hasLength = fields.lower.includes('content-length')
  if (!hasEncoding && !hasLength) return withoutBody
  if (hasEncoding && (hasLength || minor === 0)) return 400
  if (hasEncoding) return requestEncoding(fieldValues(fields, 'transfer-encoding'))
  const length = readLength(fields)
  if (length === null) return 400
  return length === 0 ? withoutBody : { kind: 'length', length }
}

/** Of an answer; null where it is malformed. `bodiless`: an answer to HEAD. */
export function answerFraming(
  fields: Fields,
  status: number,
  minor: 0 | 1,
  bodiless: boolean,
): Framing | null {
  const hasEncoding = fields.lower.includes('transfer-encoding')
  const hasLength = fields.lower.includes('content-length')
  if (hasEncoding) {
    const encodings = fieldValues(fields, 'transfer-encoding')
    if (hasLength || minor === 0 || encodings.length > 1) return null
    if (encodings[0]?.toLowerCase() !== 'chunked') return null
  }
  const length = hasLength ? readLength(fields) : 0
  if (length === null) return null
  if (bodiless || status < 200 || status === 204 || status === 304) return withoutBody
  if (hasEncoding) return chunked
  if (!hasLength) return untilClose
  return length === 0 ? withoutBody : { kind: 'length', length }
}

function requestEncoding(values: readonly string[]): Framing | 400 | 501 {
  const text = values.join(',').toLowerCase()
  // `trim` below takes a no-break space for one too, and others do not
  if (/[^\t\x20-\x7e]/.test(text)) return 400
  const codings = text.split(',')
  const last = codings.pop()?.trim()
  if (last !== 'chunked') return 400
  if (codings.length === 0) return chunked
  return codings.some((coding) => coding.trim() === 'chunked') ? 400 : 501
}

/** One field of digits only, or null. */
function readLength(fields: Fields): number | null {
  const [value = '', ...others] = fieldValues(fields, 'content-length')
  if (others.length > 0 || !/^\d{1,16}$/.test(value)) return null
  const length = Number(value)
  return Number.isSafeInteger(length) ? length : null
}
