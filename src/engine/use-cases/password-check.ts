import { randomUUID } from 'node:crypto'
import { Refusal } from '../domain/refusal.ts'
import type { Passwords } from '../passwords.ts'
import type { UserRow } from '../store/accounts.ts'
import type { Store } from '../store/store.ts'
import { createPasswordMemory } from './password-memory.ts'
import type { Throttle } from './throttle.ts'

export interface Credentials {
  readonly username: string
  readonly password: string
  /** Where the request came from. */
  readonly address: string
}

export type PasswordCheck = ReturnType<typeof createPasswordCheck>

/** The user behind name and password, or null; an unknown user takes as long as a wrong password. */
export function createPasswordCheck(deps: {
  readonly store: Store
  readonly passwords: Passwords
  readonly clock: () => number
  readonly throttle: Throttle
}) {
  const { passwords, throttle } = deps
  const { accounts } = deps.store
  const remembered = createPasswordMemory(deps.clock)
  const unknownUser = passwords.hash(randomUUID())
  unknownUser.catch(() => {}) // whoever needs it hears of it

  /** Not even this for who has guessed too often: it would be told from a refusal, and guessing could go on. */
  const known = ({ username, password, address }: Credentials): UserRow | null => {
    throttle.check(username, address)
    const user = accounts.findUser(username)
    return user && remembered.knows(user, password) ? user : null
  }

  const guess = async (credentials: Credentials): Promise<UserRow | null> => {
    const already = known(credentials)
    if (already) return already
    const { username, password, address } = credentials
    const user = accounts.findUser(username)
    const right = await passwords.verify(password, user?.password ?? (await unknownUser))
    if (!user || !right) {
      throttle.fail(username, address)
      return null
    }
    throttle.succeed(username, address)
    remembered.keep(user, password)
    return user
  }

  return async (credentials: Credentials): Promise<UserRow | null> =>
    known(credentials) ?? throttle.oneByOne(credentials.address, () => guess(credentials))
}

/** bcrypt reads 72 bytes: what would be cut off is refused instead. Refuses with `invalid`. */
export function requirePassword(password: string): void {
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
