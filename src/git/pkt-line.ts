import { Refusal } from '../engine/domain/refusal.ts'

/** Git's framing: four hexadecimal digits of length, themselves included, then the bytes; `0000` ends a list. */

export const flush = '0000'
const longestPacket = 65_520
const longestSideband = longestPacket - 5

/** One packet. */
export function packet(payload: string | Buffer): Buffer {
  const bytes = Buffer.from(payload)
  const length = (bytes.length + 4).toString(16).padStart(4, '0')
  return Buffer.concat([Buffer.from(length, 'latin1'), bytes])
}

/** Packets of one band of the multiplexed answer: 1 carries git's report, 2 what people read. */
export function sideband(band: 1 | 2, payload: Buffer): Buffer {
  const packets: Buffer[] = []
  for (let at = 0; at < payload.length; at += longestSideband) {
    packets.push(packet(Buffer.concat([Buffer.from([band]), payload.subarray(at, at + longestSideband)])))
  }
  return Buffer.concat(packets)
}

export type Packet =
  | { readonly kind: 'data'; readonly payload: Buffer; readonly next: number }
  | { readonly kind: 'flush'; readonly next: number }

/**
 * The packet that begins at `at`; null while its bytes have not all come.
 * Refuses what is no packet with `malformed`, as early as it can be told.
 */
export function readPacket(bytes: Buffer, at: number): Packet | null {
  const digits = bytes.toString('latin1', at, at + 4)
  if (!/^[0-9a-fA-F]*$/.test(digits)) throw new Refusal('malformed', 'the request is not a list of pkt-lines')
  if (digits.length < 4) return null
  const length = Number.parseInt(digits, 16)
  if (length === 0) return { kind: 'flush', next: at + 4 }
  if (length < 4 || length > longestPacket) {
    throw new Refusal('malformed', `a pkt-line has the impossible length ${length}`)
  }
  if (bytes.length < at + length) return null
  return { kind: 'data', payload: bytes.subarray(at + 4, at + length), next: at + length }
}
