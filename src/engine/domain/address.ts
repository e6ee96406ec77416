/**
 * Where a request came from. The front door writes X-Forwarded-For anew, or, behind the trusted proxy, passes on
 * what that proxy wrote; either way the last entry is the one that was seen, and those before it are claims.
 */
export function clientAddress(forwardedFor: string | readonly string[] | null | undefined): string {
  const text = typeof forwardedFor === 'string' ? forwardedFor : (forwardedFor ?? []).join(',')
  return text.split(',').at(-1)?.trim() || 'local'
}
