/**
 * How many jobs run on this machine at once: what a hundred projects schedule for midnight comes one after the
 * other. One project has half of them at most, so that its long jobs do not keep those of the others waiting.
 */
export interface Slots {
  /** Resolves, in the order of asking, to what gives it back. Rejects when the signal is aborted first. */
  take(projectId: number, signal: AbortSignal): Promise<() => void>
}

interface Waiting {
  readonly projectId: number
  readonly begin: () => void
}

export function createSlots(limit: number): Slots {
  const ofOne = Math.ceil(limit / 2)
  const running = new Map<number, number>()
  const waiting: Waiting[] = []
  let total = 0

  const count = (projectId: number, change: number) => {
    total += change
    const now = (running.get(projectId) ?? 0) + change
    if (now === 0) running.delete(projectId)
    else running.set(projectId, now)
  }
  const next = () => {
    while (total < limit) {
      const index = waiting.findIndex(({ projectId }) => (running.get(projectId) ?? 0) < ofOne)
      const [one] = index < 0 ? [] : waiting.splice(index, 1)
      if (!one) return
      count(one.projectId, 1)
      one.begin()
    }
  }
  const giveBack = (projectId: number) => {
    let given = false
    return () => {
      if (given) return
      given = true
      count(projectId, -1)
      next()
    }
  }
  return {
    take(projectId, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        const leave = () => {
          waiting.splice(waiting.indexOf(one), 1)
          reject(signal.reason)
        }
        const one: Waiting = {
          projectId,
          begin: () => {
            signal.removeEventListener('abort', leave)
            resolve(giveBack(projectId))
          },
        }
        waiting.push(one)
        signal.addEventListener('abort', leave, { once: true })
        next()
      })
    },
  }
}
