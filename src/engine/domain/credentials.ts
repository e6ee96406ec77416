export interface Credentials {
  readonly username: string
  /** A password or a token. Never logged, never part of a message. */
  readonly password: string
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads an `Authorization: Basic` header (RFC 7617, UTF-8). Null for a missing or broken one, another
 * scheme, an empty user name or control characters: all of them mean "not signed in".
 */
export function readCredentials(header: string | undefined): Credentials | null {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return null
  const text = decode(encoded)
  const colon = text?.indexOf(':') ?? -1
  if (text === null || colon < 1 || hasControl(text)) return null
  return { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

function decode(encoded: string): string | null {
  try {
    return decoder.decode(Buffer.from(encoded, 'base64'))
  } catch {
    return null
  }
}

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text)
}
