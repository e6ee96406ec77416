import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** `np_`, 160 random bits and a checksum, so that secret scanners can find one without asking us. */
export function randomToken(): string {
  const secret = toBase62(BigInt(`0x${randomBytes(20).toString('hex')}`), 27)
  return `np_${secret}${toBase62(BigInt(crc32(secret)), 6)}`
}

export function isToken(text: string): boolean {
  const match = /^np_([0-9A-Za-z]{27})([0-9A-Za-z]{6})$/.exec(text)
  return match?.[1] !== undefined && toBase62(BigInt(crc32(match[1])), 6) === match[2]
}

function toBase62(value: bigint, length: number): string {
  let text = ''
  for (let rest = value; rest > 0n; rest /= 62n) text = base62[Number(rest % 62n)] + text
  return text.padStart(length, '0')
}

/** `7Q4M-K2XD`: without letters and digits that look alike. */
export function randomCode(): string {
  const letters = '23456789ABCDEFGHJKLMNPQRSTVWXYZ'
  const pick = [...randomBytes(64)].filter((byte) => byte < 248).map((byte) => letters[byte % 31])
  return `${pick.slice(0, 4).join('')}-${pick.slice(4, 8).join('')}`
}

/** What is stored in place of a secret that is random anyway. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
