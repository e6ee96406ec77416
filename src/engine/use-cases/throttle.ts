import { networkOf } from '../domain/address.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Store } from '../store/store.ts'

export type Throttle = ReturnType<typeof createThrottle>

/** After five failures each further one doubles the wait, by account and by address; stored, so a restart does not forget. */
export function createThrottle(store: Store, clock: () => number) {
  const free = 5
  const subjects = (username: string, address: string) => {
    const network = networkOf(address)
    return [
      { subject: `address ${network}`, free: free * 2 },
      { subject: `account ${username.slice(0, 100)} from ${network}`, free },
    ]
  }
  const last = new Map<string, Promise<unknown>>()
  return {
    /**
     * One guess at a time from an address: of a thousand at once, all would pass the check before the first
     * has failed. Costs nothing, as hashing is done one by one anyway.
     */
    oneByOne<T>(from: string, work: () => Promise<T>): Promise<T> {
      const address = networkOf(from)
      const mine = (last.get(address) ?? Promise.resolve()).then(work, work)
      const leave = () => {
        if (last.get(address) === mine) last.delete(address)
      }
      last.set(address, mine)
      mine.then(leave, leave)
      return mine
    },
    check(username: string, address: string) {
      for (const { subject } of subjects(username, address)) {
        const { blockedUntil } = store.accounts.failures(subject)
        const waitMs = blockedUntil ? Date.parse(blockedUntil) - clock() : 0
        if (waitMs <= 0) continue
        const seconds = Math.ceil(waitMs / 1000)
        throw new Refusal('too_many_requests', `too many wrong passwords; try again in ${seconds} s`, {
          retryAfter: seconds,
        })
      }
    },
    fail(username: string, address: string) {
      for (const { subject, free: allowed } of subjects(username, address)) {
        const failures = store.accounts.failures(subject).failures + 1
        const waitMs = failures < allowed ? 0 : Math.min(2 ** (failures - allowed) * 1000, 15 * 60_000)
        store.accounts.putFailures(subject, failures, new Date(clock() + waitMs).toISOString())
      }
    },
    succeed(username: string, address: string) {
      for (const { subject } of subjects(username, address)) store.accounts.clearFailures(subject)
    },
  }
}
