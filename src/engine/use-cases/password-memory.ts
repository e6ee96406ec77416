import { createHmac, randomBytes } from 'node:crypto'
import type { UserRow } from '../store/accounts.ts'

/**
 * bcrypt is slow on purpose, and git asks three times a push: a password that was right is remembered for a
 * while, as a keyed hash that holds only in this process and only for the stored hash it was right for.
 */
export function createPasswordMemory(clock: () => number, keepMs = 15 * 60_000, most = 1000) {
  const key = randomBytes(32)
  const until = new Map<string, number>()
  const mark = (user: UserRow, password: string) =>
    createHmac('sha256', key).update(`${user.id}\0${user.password}\0${password}`).digest('base64')
  return {
    knows: (user: UserRow, password: string) => (until.get(mark(user, password)) ?? 0) > clock(),
    keep(user: UserRow, password: string) {
      if (until.size >= most) until.clear()
      until.set(mark(user, password), clock() + keepMs)
    },
  }
}
