import { isIP } from 'node:net'

/**
 * Where a request came from. The front door writes X-Forwarded-For anew, or, behind the trusted proxy, passes on
 * what that proxy wrote; either way the last entry is the one that was seen, and those before it are claims.
 */
export function clientAddress(forwardedFor: string | readonly string[] | null | undefined): string {
  const text = typeof forwardedFor === 'string' ? forwardedFor : (forwardedFor ?? []).join(',')
  return text.split(',').at(-1)?.trim() || 'local'
}

/**
 * What one sender has at hand: an address of IPv4, but of IPv6 a network of 2^64 addresses (`2001:db8:0:0::/64`).
 * Everything else stays as it is.
 */
export function networkOf(address: string): string {
  if (isIP(address) !== 6 || address.includes('.')) return address
  const [head = '', tail = ''] = address.toLowerCase().split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const left = groups(head)
  const gap = Array<string>(Math.max(8 - left.length - groups(tail).length, 0)).fill('0')
  const first = [...left, ...gap, ...groups(tail)].slice(0, 4)
  return `${first.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
