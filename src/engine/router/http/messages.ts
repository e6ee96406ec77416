import { type Fields, isToken, parseFields } from './fields.ts'

export interface RequestHead {
  readonly method: string
  readonly target: string
  /** Of HTTP/1.x. */
  readonly minor: 0 | 1
  readonly fields: Fields
}

export interface AnswerHead {
  readonly status: number
  readonly reason: string
  readonly minor: 0 | 1
  readonly fields: Fields
}

const longestMethod = 32

/** Reads a complete head; a number is the status to refuse it with. RFC 9112 3: one space, no more, no other. */
export function parseRequest(text: string): RequestHead | 400 | 505 {
  const end = text.indexOf('\r\n')
  const first = text.indexOf(' ')
  const second = text.indexOf(' ', first + 1)
  if (first <= 0 || second <= first + 1 || second > end) return 400
  const method = text.slice(0, first)
  if (method.length > longestMethod || !isToken(method)) return 400
  const version = text.slice(second + 1, end)
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') return /^HTTP\/\d\.\d$/.test(version) ? 505 : 400
  const target = text.slice(first + 1, second)
  const fields = parseFields(text, end + 2)
  // Bytes outside ASCII have to be escaped, and apps on Node refuse them.
  if (!/^[\x21-\x7e]+$/.test(target) || !fields) return 400
  return { method, target, minor: version === 'HTTP/1.1' ? 1 : 0, fields }
}

/** Reads a complete head of an answer; null where it is malformed. Some servers leave the reason out. */
export function parseAnswer(text: string): AnswerHead | null {
  const end = text.indexOf('\r\n')
  const line = text.slice(0, end)
  const minor = line.startsWith('HTTP/1.1 ') ? 1 : line.startsWith('HTTP/1.0 ') ? 0 : null
  const status = Number(line.slice(9, 12))
  if (minor === null || !(status >= 100 && status <= 999) || !/^\d{3}(?: |$)/.test(line.slice(9, 13)))
    return null
  const fields = parseFields(text, end + 2)
  return fields && { status, reason: line.slice(13), minor, fields }
}
