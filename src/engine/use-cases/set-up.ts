import { timingSafeEqual } from 'node:crypto'
import { type Audit, whoOf } from '../domain/audit.ts'
import { Refusal } from '../domain/refusal.ts'
import { randomCode, sha256 } from '../domain/secrets.ts'
import type { Passwords } from '../passwords.ts'
import type { UserRow } from '../store/accounts.ts'
import type { Store } from '../store/store.ts'
import { type Credentials, requirePassword } from './password-check.ts'
import { actorOf } from './sessions.ts'
import type { Throttle } from './throttle.ts'

const setupMs = 30 * 60_000

/** The first user of a server, once: by a password of the environment, or by a code that the server prints. */
export function createSetUpCases(deps: {
  readonly store: Store
  readonly passwords: Passwords
  readonly clock: () => number
  readonly throttle: Throttle
  readonly audit: Audit
}) {
  const { store, passwords, clock, throttle, audit } = deps
  const { accounts } = store

  const createFirst = async (
    username: string,
    password: string,
    address: string,
  ): Promise<UserRow | null> => {
    requirePassword(password)
    const user = accounts.createFirstUser(username, await passwords.hash(password))
    if (user)
      audit({ who: whoOf(actorOf(user), address, 'system'), action: 'server.set-up', after: { username } })
    return user
  }

  return {
    /** A new one-time code, or null when there is a user already. Older codes end. */
    createCode(): string | null {
      if (accounts.hasUsers()) return null
      const code = randomCode()
      store.settings.set('setup', JSON.stringify({ hash: sha256(code), until: clock() + setupMs }))
      return code
    },

    /** The first start with a given password: creates `admin` where there is no user yet. */
    async ensureAdmin(password: string): Promise<void> {
      if (!accounts.hasUsers()) await createFirst('admin', password, 'local')
    },

    /** The one-time set-up: code, name and password of the first admin. One wins, all others are refused. */
    async setUp({ code, username, password, address }: Credentials & { code: string }): Promise<UserRow> {
      throttle.check('set-up', address)
      if (!codeMatches(store, clock(), code)) {
        throttle.fail('set-up', address)
        throw new Refusal('forbidden', 'code: it is not valid (any more)', {
          hint: 'run "nodepilot setup --reset" on the server for a new link',
        })
      }
      const user = await createFirst(username, password, address)
      if (!user) throw new Refusal('conflict', 'NodePilot has been set up already', { hint: 'sign in' })
      store.settings.remove('setup')
      return user
    },
  }
}

function codeMatches(store: Store, now: number, code: string): boolean {
  const stored = JSON.parse(store.settings.get('setup') ?? 'null') as { hash: string; until: number } | null
  const given = sha256(code.trim().toUpperCase())
  return (
    stored !== null && stored.until > now && timingSafeEqual(Buffer.from(stored.hash), Buffer.from(given))
  )
}
