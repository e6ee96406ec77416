import { isIP, SocketAddress } from 'node:net'

/** An address, or all that begin like it. */
export interface AddressRange {
  readonly address: string
  readonly family: 'ipv4' | 'ipv6'
  /** Bits that count. */
  readonly prefix: number
}

/**
 * `203.0.113.7`, `203.0.113.0/24`, `2001:db8::/32`; null where it is none of these. An IPv4 address that is written as IPv6 (`::ffff:203.0.113.7`) is the
 * IPv4 one.
 */
export function readRange(text: string): AddressRange | null {
  const [, address = '', bits] = /^([\da-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? []
  const version = isIP(address)
  if (version === 0) return null
  const longest = version === 4 ? 32 : 128
  const prefix = bits === undefined ? longest : Number(bits)
  if (prefix > longest) return null
  if (version === 4) return { address, family: 'ipv4', prefix }
  const canonical = new SocketAddress({ address, family: 'ipv6' }).address
  const mapped = /^::ffff:([\d.]+)$/.exec(canonical)?.[1]
  if (mapped === undefined || prefix < 96) return { address: canonical, family: 'ipv6', prefix }
  return { address: mapped, family: 'ipv4', prefix: prefix - 96 }
}
