import { randomUUID } from 'node:crypto'
import type { Actor } from '../domain/access.ts'
import { type Audit, whoOf } from '../domain/audit.ts'
import { Refusal } from '../domain/refusal.ts'
import type { UserRow } from '../store/accounts.ts'
import type { SessionKind, SessionRow } from '../store/sessions.ts'
import type { Store } from '../store/store.ts'

export interface SignedIn {
  readonly user: UserRow
  readonly sessionId: string
  readonly expiresAt: Date
}

/** Where and by what somebody signs in. Whatever the client calls itself is hostile. */
export interface SignInFrom {
  readonly address: string
  readonly kind?: SessionKind | undefined
  readonly name?: string | undefined
  readonly userAgent?: string | undefined
}

const day = 86_400_000

/**
 * A session has a fixed end, because its JWT has one: 7 days, and 90 for a command line, which somebody let in
 * by hand. What is not used any more does not live on by being opened now and then.
 */
const lifetimes: Readonly<Record<SessionKind, number>> = { browser: 7 * day, api: 7 * day, cli: 90 * day }

export function createSessionCases(deps: { store: Store; clock: () => number; audit: Audit }) {
  const { store, clock, audit } = deps
  const { sessions } = store
  return {
    start(user: UserRow, { address, kind = 'api', name = '', userAgent = '' }: SignInFrom): SignedIn {
      const sessionId = randomUUID()
      const expiresAt = new Date(clock() + lifetimes[kind])
      sessions.start({
        id: sessionId,
        userId: user.id,
        kind,
        name: name.slice(0, 100),
        address,
        userAgent: userAgent.slice(0, 300),
        expiresAt: expiresAt.toISOString(),
      })
      audit({ who: whoOf(actorOf(user), address), action: 'session.begin', after: { kind } })
      return { user, sessionId, expiresAt }
    },

    /** Who is behind the `sid` of a JWT; null once the session has ended. Looked up on every request. */
    actor(sessionId: string): Actor | null {
      const session = sessions.find(sessionId)
      const user = session && store.accounts.user(session.userId)
      if (!session || !user) return null
      sessions.noteUse(session)
      return { ...actorOf(user), sessionId }
    },

    /** One's own, newest first. */
    list: (actor: Actor): SessionRow[] => sessions.ofUser(actor.userId),

    /** Signing out: the session of the actor ends at once. */
    logout(actor: Actor, address: string): void {
      if (actor.sessionId === null) return
      sessions.end(actor.sessionId)
      audit({ who: whoOf(actor, address), action: 'session.end' })
    },

    /** Ends one of one's own. Refuses with `not_found`. */
    end(actor: Actor, number: number, address: string): void {
      const session = sessions.ofUser(actor.userId).find((own) => own.number === number)
      if (!session) throw new Refusal('not_found', `there is no session ${number}`)
      sessions.end(session.id)
      const before = { number, kind: session.kind, name: session.name }
      audit({ who: whoOf(actor, address), action: 'session.end', before })
    },
  }
}

export function actorOf(user: UserRow): Actor {
  return { userId: user.id, username: user.username, role: user.role, token: null, sessionId: null }
}
