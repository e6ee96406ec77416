import { isIP } from 'node:net'

const authority = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]*))(?::\d{0,5})?$/

/**
 * The name a Host header is looked up by: lower case, without port, brackets and trailing dot.
 * Null when it is not a host at all. An absent or empty header gives `''`.
 */
export function hostOf(header: string | undefined): string | null {
  if (!header) return ''
  const parts = authority.exec(header.toLowerCase())
  if (!parts) return null
  if (parts[1] !== undefined) return isIP(parts[1]) === 6 ? parts[1] : null
  const name = parts[2] ?? ''
  return name.endsWith('.') ? name.slice(0, -1) : name
}

/**
 * Whether a host name no project has means this machine itself: an address, `localhost`, the machine's
 * own name, or none at all (HTTP/1.0).
 */
export function isThisMachine(host: string, hostname: string): boolean {
  return host === '' || host === 'localhost' || host === hostname.toLowerCase() || isIP(host) !== 0
}

/** An IP address in one form: `::ffff:127.0.0.1` is `127.0.0.1`, and so are the other names of loopback. */
export function peerAddress(address: string | undefined): string {
  if (!address) return 'unknown'
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address
}

/** A test whether a peer is the configured proxy. */
export function trustOf(trustedProxy: string | null): (peer: string) => boolean {
  if (trustedProxy === null) return () => false
  const trusted = canonical(trustedProxy)
  return (peer) => canonical(peer) === trusted
}

function canonical(address: string): string {
  const bare = address
    .trim()
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
  const plain = peerAddress(bare)
  return plain === '::1' || plain === 'localhost' ? '127.0.0.1' : plain
}
