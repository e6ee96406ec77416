import { randomUUID, timingSafeEqual } from 'node:crypto'
import type { Actor } from '../domain/access.ts'
import { Refusal } from '../domain/refusal.ts'
import { isToken, randomCode, randomToken, sha256 } from '../domain/secrets.ts'
import type { Passwords } from '../passwords.ts'
import type { TokenRow, TokenScope, UserRow } from '../store/accounts.ts'
import type { Store } from '../store/store.ts'
import { createPasswordMemory } from './password-memory.ts'
import { createThrottle } from './throttle.ts'

export type AccountCases = ReturnType<typeof createAccountCases>

export interface Credentials {
  readonly username: string
  readonly password: string
  /** Where the request came from. */
  readonly address: string
}

export interface NewToken {
  readonly name: string
  readonly scope: TokenScope
  readonly projectId: number | null
  readonly expiresInDays: number | null
}

const day = 86_400_000
const sessionMs = 7 * day
const setupMs = 30 * 60_000

export function createAccountCases(deps: { store: Store; passwords: Passwords; clock: () => number }) {
  const { store, passwords, clock } = deps
  const { accounts } = store
  const throttle = createThrottle(store, clock)
  const remembered = createPasswordMemory(clock)
  const unknownUser = passwords.hash(randomUUID())
  unknownUser.catch(() => {}) // whoever needs it hears of it

  /** The user behind name and password, or null; an unknown user takes as long as a wrong password. */
  const checkPassword = async (credentials: Credentials): Promise<UserRow | null> => {
    const user = accounts.findUser(credentials.username)
    if (user && remembered.knows(user, credentials.password)) return user
    return throttle.oneByOne(credentials.address, () => guess(credentials))
  }

  const guess = async ({ username, password, address }: Credentials): Promise<UserRow | null> => {
    const user = accounts.findUser(username)
    if (user && remembered.knows(user, password)) return user
    throttle.check(username, address)
    const right = await passwords.verify(password, user?.password ?? (await unknownUser))
    if (!user || !right) {
      throttle.fail(username, address)
      return null
    }
    throttle.succeed(username, address)
    remembered.keep(user, password)
    return user
  }

  const withToken = (secret: string): Actor | null => {
    const token = isToken(secret) ? accounts.findToken(sha256(secret)) : null
    const owner = token && accounts.user(token.userId)
    if (!token || !owner) return null
    accounts.noteTokenUse(token)
    return { ...actorOf(owner), token: { id: token.id, scope: token.scope, projectId: token.projectId } }
  }

  const setupCode = {
    /** A new one-time code, or null when there is a user already. Older codes end. */
    create(): string | null {
      if (accounts.hasUsers()) return null
      const code = randomCode()
      store.settings.set('setup', JSON.stringify({ hash: sha256(code), until: clock() + setupMs }))
      return code
    },
    matches(code: string): boolean {
      const stored = JSON.parse(store.settings.get('setup') ?? 'null') as {
        hash: string
        until: number
      } | null
      const given = sha256(code.trim().toUpperCase())
      return (
        stored !== null &&
        stored.until > clock() &&
        timingSafeEqual(Buffer.from(stored.hash), Buffer.from(given))
      )
    },
  }

  return {
    hasUsers: accounts.hasUsers,
    createSetupCode: setupCode.create,

    /** The first start with a given password: creates `admin` where there is no user yet. */
    async ensureAdmin(password: string): Promise<void> {
      if (accounts.hasUsers()) return
      requirePassword(password)
      accounts.createFirstUser('admin', await passwords.hash(password))
    },

    /** The one-time set-up: code, name and password of the first admin. One wins, all others are refused. */
    async setUp(input: {
      code: string
      username: string
      password: string
      address: string
    }): Promise<UserRow> {
      throttle.check('set-up', input.address)
      if (!setupCode.matches(input.code)) {
        throttle.fail('set-up', input.address)
        throw new Refusal('forbidden', 'code: it is not valid (any more)', {
          hint: 'run "nodepilot setup --reset" on the server for a new link',
        })
      }
      requirePassword(input.password)
      const user = accounts.createFirstUser(input.username, await passwords.hash(input.password))
      if (!user) throw new Refusal('conflict', 'NodePilot has been set up already', { hint: 'sign in' })
      store.settings.remove('setup')
      return user
    },

    /** Signs in. Refuses with `unauthorized` or `too_many_requests`. */
    async login(credentials: Credentials): Promise<{ user: UserRow; sessionId: string; expiresAt: Date }> {
      const user = await checkPassword(credentials)
      if (!user) throw new Refusal('unauthorized', 'the user name or the password is wrong')
      const sessionId = randomUUID()
      const expiresAt = new Date(clock() + sessionMs)
      accounts.startSession(sessionId, user.id, expiresAt.toISOString())
      return { user, sessionId, expiresAt }
    },

    logout: accounts.endSession,

    session(sessionId: string): Actor | null {
      const user = accounts.sessionUser(sessionId)
      return user ? { ...actorOf(user), sessionId } : null
    },

    token: withToken,

    /** HTTP Basic, as git sends it: user name and password, or any user name and a token. */
    async basic(credentials: Credentials): Promise<Actor | null> {
      if (isToken(credentials.password)) {
        throttle.check('token', credentials.address)
        const actor = withToken(credentials.password)
        if (!actor) throttle.fail('token', credentials.address)
        return actor
      }
      const user = await checkPassword(credentials)
      return user ? actorOf(user) : null
    },

    /** Ends every other session. Refuses with `forbidden` when the current password is wrong. */
    async changePassword(actor: Actor, current: string, next: string, address: string): Promise<void> {
      const user = await checkPassword({ username: actor.username, password: current, address })
      if (!user) throw new Refusal('forbidden', 'currentPassword: it is wrong')
      requirePassword(next)
      accounts.changePassword(user.id, await passwords.hash(next), actor.sessionId ?? '')
    },

    tokens: (actor: Actor): TokenRow[] => accounts.tokensOf(actor.userId),

    /** The token is shown here and never again. */
    createToken(actor: Actor, input: NewToken): { id: number; token: string; expiresAt: string | null } {
      const secret = randomToken()
      const expiresAt =
        input.expiresInDays === null ? null : new Date(clock() + input.expiresInDays * day).toISOString()
      const { name, scope, projectId } = input
      const id = accounts.createToken({
        userId: actor.userId,
        projectId,
        name,
        scope,
        expiresAt,
        hash: sha256(secret),
      })
      return { id, token: secret, expiresAt }
    },

    /** Refuses with `not_found` for one that is not the actor's. */
    removeToken(actor: Actor, id: number): void {
      if (!accounts.removeToken(id, actor.userId)) throw new Refusal('not_found', `there is no token ${id}`)
    },
  }
}

function actorOf(user: UserRow): Actor {
  return { userId: user.id, username: user.username, role: user.role, token: null, sessionId: null }
}

/** bcrypt reads 72 bytes: what would be cut off is refused instead. */
function requirePassword(password: string): void {
  const bytes = Buffer.byteLength(password)
  if (bytes >= 8 && bytes <= 72 && !examplePasswords.has(password.toLowerCase())) return
  const message = bytes > 72 ? 'it has more than 72 bytes' : 'it is too short or too common'
  throw new Refusal('invalid', `password: ${message}`, {
    hint: 'use 8 to 72 bytes that nobody can guess',
    fields: [{ field: 'password', message }],
  })
}

const examplePasswords = new Set([
  'password',
  'changeme',
  'change-me',
  'admin123',
  'nodepilot',
  'secret123',
  '12345678',
])
