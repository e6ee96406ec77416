import { verify } from 'hono/jwt'
import { z } from 'zod'

const claims = z.object({ sub: z.string(), sid: z.string(), iat: z.number(), exp: z.number() })

export type Claims = z.infer<typeof claims>

export type TokenProof = (token: string) => Promise<Claims | null>

/** Sessions that are in use at a time; above this many each is proved again. */
const mostKept = 1_000

/**
 * What a session's token says, null unless we signed it (HS256 and nothing else) and it has not expired. A
 * signature that was good stays good, so each is computed once: that alone cost more than a whole list. Whether
 * the session still lives is another question, and is asked every time.
 */
export function createTokenProof(key: string, clock: () => number): TokenProof {
  const proved = new Map<string, Claims>()
  return async (token) => {
    const known = proved.get(token)
    if (known) {
      if (known.exp * 1000 > clock()) return known
      proved.delete(token)
      return null
    }
    const found = await prove(key, token)
    if (!found) return null
    if (proved.size >= mostKept) proved.clear()
    proved.set(token, found)
    return found
  }
}

async function prove(key: string, token: string): Promise<Claims | null> {
  try {
    return claims.parse(await verify(token, key, 'HS256'))
  } catch {
    return null
  }
}
