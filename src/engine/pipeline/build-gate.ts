/**
 * How many builds this machine carries at once. Whoever comes first builds first; a project that waits already
 * keeps its place when newer files take over (see `use-cases/supersede.ts`): places go by ticket.
 */

export type BuildGate = ReturnType<typeof createBuildGate>
export type Leave = () => void

export interface Entrance {
  /** Smaller ones go first. */
  readonly ticket: number
  readonly signal: AbortSignal
  /** Told how many builds must end before this one begins: at once when there are any, and at every change. */
  readonly onWait?: (before: number) => void
}

interface Waiting extends Entrance {
  readonly begin: () => void
  told: number
}

export function createBuildGate(places: number) {
  const line: Waiting[] = []
  let building = 0
  let tickets = 0

  const admit = () => {
    while (building < places) {
      const next = line.shift()
      if (!next) break
      building++
      next.begin()
    }
    for (const [ahead, waiting] of line.entries()) tell(waiting, ahead + 1)
  }
  const leave = () => {
    building--
    admit()
  }

  return {
    /** For `enter`; smaller than all that are given later. */
    ticket: (): number => ++tickets,
    /** Builds under way. A dead server holds no place: they live in its memory. */
    building: (): number => building,
    /** Resolves with the right to build. Aborting while it waits gives the place up, with the signal's reason. */
    async enter(entrance: Entrance): Promise<Leave> {
      const { signal, ticket } = entrance
      signal.throwIfAborted()
      await new Promise<void>((resolve, reject) => {
        const me: Waiting = { ...entrance, begin, told: 0 }
        const giveUp = () => {
          line.splice(line.indexOf(me), 1)
          reject(signal.reason)
          admit()
        }
        function begin() {
          signal.removeEventListener('abort', giveUp)
          resolve()
        }
        signal.addEventListener('abort', giveUp, { once: true })
        const after = line.findIndex((other) => other.ticket > ticket)
        line.splice(after === -1 ? line.length : after, 0, me)
        admit()
      })
      let left = false
      return () => {
        if (!left) leave()
        left = true
      }
    },
  }
}

function tell(waiting: Waiting, before: number): void {
  if (waiting.told === before) return
  waiting.told = before
  waiting.onWait?.(before)
}
