import type { Actor } from '../domain/access.ts'
import { type Audit, whoOf } from '../domain/audit.ts'
import { Refusal } from '../domain/refusal.ts'
import { isToken } from '../domain/secrets.ts'
import type { Passwords } from '../passwords.ts'
import type { Store } from '../store/store.ts'
import { createDeviceCases } from './device.ts'
import { type Credentials, createPasswordCheck, requirePassword } from './password-check.ts'
import { actorOf, createSessionCases, type SignedIn, type SignInFrom } from './sessions.ts'
import { createSetUpCases } from './set-up.ts'
import { createThrottle } from './throttle.ts'
import { createTokenCases } from './tokens.ts'
import { createUserCases } from './users.ts'

export type AccountCases = ReturnType<typeof createAccountCases>

/** Who people are: set-up, signing in, sessions, tokens, users. */
export function createAccountCases(deps: {
  readonly store: Store
  readonly passwords: Passwords
  readonly clock: () => number
  readonly audit: Audit
}) {
  const { store, passwords, audit } = deps
  const { accounts } = store
  const throttle = createThrottle(store, deps.clock)
  const checkPassword = createPasswordCheck({ ...deps, throttle })
  const sessions = createSessionCases(deps)
  const tokens = createTokenCases(deps)
  const setUp = createSetUpCases({ ...deps, throttle })

  /** The name that was typed is not kept where nobody has it: people type passwords into the wrong field. */
  const noteRefusal = ({ username, address }: Credentials, via: 'session' | 'git') => {
    const user = accounts.findUser(username)
    const who = { name: user?.username ?? 'unknown user', userId: user?.id ?? null, address, via }
    audit({ who, action: 'session.refuse' })
  }

  return {
    hasUsers: accounts.hasUsers,
    createSetupCode: setUp.createCode,
    ensureAdmin: setUp.ensureAdmin,
    setUp: setUp.setUp,

    /** Signs in. Refuses with `unauthorized` or `too_many_requests`. */
    async login(credentials: Credentials & Omit<SignInFrom, 'address'>): Promise<SignedIn> {
      const user = await checkPassword(credentials)
      if (user) return sessions.start(user, credentials)
      noteRefusal(credentials, 'session')
      throw new Refusal('unauthorized', 'the user name or the password is wrong')
    },

    /** A session for somebody who has just been let in by other means. */
    startSession: sessions.start,
    session: sessions.actor,
    sessions: sessions.list,
    logout: sessions.logout,
    endSession: sessions.end,

    token: tokens.actor,
    tokens: tokens.list,
    allTokens: tokens.listAll,
    createToken: tokens.create,
    removeToken: tokens.remove,

    /** HTTP Basic, as git sends it: user name and password, or any user name and a token. */
    async basic(credentials: Credentials): Promise<Actor | null> {
      if (isToken(credentials.password)) {
        throttle.check('token', credentials.address)
        const actor = tokens.actor(credentials.password)
        if (!actor) throttle.fail('token', credentials.address)
        return actor
      }
      const user = await checkPassword(credentials)
      if (!user) noteRefusal(credentials, 'git')
      return user && actorOf(user)
    },

    /** Ends every other session. Refuses with `forbidden` when the current password is wrong. */
    async changePassword(actor: Actor, current: string, next: string, address: string): Promise<void> {
      requirePassword(next)
      const user = await checkPassword({ username: actor.username, password: current, address })
      if (!user) throw new Refusal('forbidden', 'currentPassword: it is wrong')
      const hash = await passwords.hash(next)
      store.transaction(() => {
        accounts.setPassword(user.id, hash)
        store.sessions.endOthers(user.id, actor.sessionId ?? '')
        store.devices.removeAnsweredBy(user.id)
      })
      audit({ who: whoOf(actor, address), action: 'account.change-password' })
    },

    users: createUserCases(deps),
    devices: createDeviceCases({ ...deps, throttle, startSession: sessions.start }),
  }
}
