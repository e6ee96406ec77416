/** So many in a minute of each key, and no more. In memory: a restart forgives. */
export interface Rate {
  /** Seconds to wait; 0: go on, and it is counted. */
  take(key: string): number
}

const windowMs = 60_000
const mostKeys = 10_000

export function createRate(limit: number, clock: () => number): Rate {
  const windows = new Map<string, { count: number; readonly until: number }>()
  return {
    take(key) {
      const now = clock()
      const known = windows.get(key)
      // a clock that was set back must not lock anybody out for a year
      if (known && known.until > now && known.until - now <= windowMs) {
        if (known.count >= limit) return Math.ceil((known.until - now) / 1000)
        known.count++
        return 0
      }
      if (windows.size >= mostKeys) windows.clear()
      windows.set(key, { count: 1, until: now + windowMs })
      return 0
    },
  }
}
