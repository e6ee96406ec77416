import type { Actor, TokenScope } from '../domain/access.ts'
import { type Audit, whoOf } from '../domain/audit.ts'
import { Refusal } from '../domain/refusal.ts'
import { isToken, randomToken, sha256 } from '../domain/secrets.ts'
import type { TokenRow } from '../store/accounts.ts'
import type { Store } from '../store/store.ts'
import { actorOf } from './sessions.ts'

export interface NewToken {
  readonly name: string
  readonly scope: TokenScope
  readonly projectId: number | null
  readonly expiresInDays: number | null
}

const day = 86_400_000

export function createTokenCases(deps: { store: Store; clock: () => number; audit: Audit }) {
  const { store, clock, audit } = deps
  const { accounts } = store
  const projectOf = (id: number | null) => (id === null ? null : store.projects.find(id))
  return {
    /** Its owner, with no more than the token's scope; null when it has ended or never was. */
    actor(secret: string): Actor | null {
      const token = isToken(secret) ? accounts.findToken(sha256(secret)) : null
      const owner = token && accounts.user(token.userId)
      if (!token || !owner) return null
      accounts.noteTokenUse(token)
      return { ...actorOf(owner), token: { id: token.id, scope: token.scope, projectId: token.projectId } }
    },

    list: (actor: Actor): TokenRow[] => accounts.tokensOf(actor.userId),

    /** Everybody's, for admins. */
    listAll: (): TokenRow[] => accounts.allTokens(),

    /** The token is shown here and never again. */
    create(
      actor: Actor,
      { name, scope, projectId, expiresInDays }: NewToken,
      address: string,
    ): { id: number; token: string; expiresAt: string | null } {
      const secret = randomToken()
      const expiresAt = expiresInDays === null ? null : new Date(clock() + expiresInDays * day).toISOString()
      const row = { userId: actor.userId, projectId, name, scope, expiresAt, hash: sha256(secret) }
      const id = accounts.createToken(row)
      const after = { id, name, scope, expiresAt }
      audit({ who: whoOf(actor, address), action: 'token.create', project: projectOf(projectId), after })
      return { id, token: secret, expiresAt }
    },

    /** One's own; an admin removes anybody's. Refuses with `not_found`. */
    remove(actor: Actor, id: number, address: string): void {
      const token = accounts.tokenById(id)
      if (!token || (token.userId !== actor.userId && actor.role !== 'admin')) {
        throw new Refusal('not_found', `there is no token ${id}`)
      }
      accounts.removeToken(id)
      const { name, scope, username } = token
      const before = { id, name, scope, owner: username }
      audit({
        who: whoOf(actor, address),
        action: 'token.remove',
        project: projectOf(token.projectId),
        before,
      })
    },
  }
}
