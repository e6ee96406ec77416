import type { Avoid } from './balance.ts'
import { type Fields, fieldValues } from './http/fields.ts'
import type { Upstream } from './upstream.ts'

/** What a client's cookie calls each instance of a project. */
export type Tags = ReadonlyMap<Upstream, string>

const cookieName = 'nodepilot_instance'

/**
 * The instance that a client came from, by its cookie. Undefined for a new client, and where that instance is
 * gone, refused this request or refuses connections at the moment: then it stays with the one that serves it.
 */
export function instanceOfClient(
  tags: Tags,
  fields: Fields,
  avoid: Avoid,
  now: number,
): Upstream | undefined {
  const wanted = tagOf(fields)
  if (wanted === undefined) return undefined
  for (const [upstream, tag] of tags) {
    if (tag === wanted && !avoid?.has(upstream.key) && !upstream.isAside(now)) return upstream
  }
  return undefined
}

/** Ends with the browser's session. Lax: a link from elsewhere leads to the same instance too. */
export function stickyCookie(tag: string, scheme: 'http' | 'https'): string {
  return `${cookieName}=${tag}; Path=/; HttpOnly; SameSite=Lax${scheme === 'https' ? '; Secure' : ''}`
}

function tagOf(fields: Fields): string | undefined {
  for (const cookies of fieldValues(fields, 'cookie')) {
    for (const cookie of cookies.split(';')) {
      const pair = cookie.trim()
      if (pair.startsWith(cookieName) && pair[cookieName.length] === '=')
        return pair.slice(cookieName.length + 1)
    }
  }
  return undefined
}
