import { createGuests, type Guests } from './guests.ts'

/** One change of a project at a time: deployments, restarts, rollbacks and deletion take the same turn. */

export type Release = () => void
export type Turns = ReturnType<typeof createTurns>

interface Waiting {
  readonly begin: () => void
  readonly giveUp: (reason: unknown) => void
  /** Where it may work beside somebody else as well: it does, and leaves like this. */
  readonly join?: (leave: Release) => void
}

interface Standing {
  readonly signal?: AbortSignal | undefined
  readonly onWait?: ((before: number) => void) | undefined
  readonly mayJoin?: boolean
}

export function createTurns() {
  const queues = new Map<number, Waiting[]>()
  const idle = new Set<() => void>()
  const hosts = new Map<number, Guests>()
  const pass = (projectId: number, queue: Waiting[]) => {
    queue.shift()
    const next = queue[0]
    if (next) next.begin()
    else queues.delete(projectId)
    if (queues.size === 0) for (const tell of idle) tell()
  }
  const endTurn = (projectId: number, queue: Waiting[]) => {
    const guests = hosts.get(projectId)
    hosts.delete(projectId)
    if (guests) void guests.shut().then(() => pass(projectId, queue))
    else pass(projectId, queue)
  }
  /** Resolves with the turn of its own, or as a guest of somebody else's where `mayJoin`. */
  const stand = async (
    projectId: number,
    { signal, onWait, mayJoin = false }: Standing,
  ): Promise<Release> => {
    signal?.throwIfAborted()
    const queue = queues.get(projectId) ?? []
    queues.set(projectId, queue)
    const guest = await new Promise<Release | null>((resolve, reject) => {
      // the signal may be that of the whole server, and would remember everybody who ever waited
      const forget = () => signal?.removeEventListener('abort', abort)
      const come = (leave: Release | null) => {
        forget()
        resolve(leave)
      }
      const me: Waiting = {
        begin: () => come(null),
        ...(mayJoin ? { join: come } : {}),
        giveUp(reason) {
          forget()
          reject(reason)
        },
      }
      const abort = () => leave(queue, me) && reject(signal?.reason)
      queue.push(me)
      if (queue.length === 1) return resolve(null)
      onWait?.(queue.length - 1)
      signal?.addEventListener('abort', abort, { once: true })
    })
    return guest ?? once(() => endTurn(projectId, queue))
  }
  return {
    /**
     * Waits for this project's turn, first come first served. `onWait` is told how many are before us.
     * Aborting while waiting gives the place up and rejects with the signal's reason.
     */
    take(projectId: number, signal?: AbortSignal, onWait?: (before: number) => void): Promise<Release> {
      return stand(projectId, { signal, onWait })
    },
    /**
     * For whoever has the turn: guests may work beside it until what this returns is called, which resolves when
     * those who came have left. The turn does not end before.
     */
    host(projectId: number): () => Promise<void> {
      const guests = createGuests()
      hosts.set(projectId, guests)
      letIn(guests, queues.get(projectId) ?? [])
      return guests.shut
    },
    /** As `take`, or as a guest of whoever has the turn, as soon as guests are let in. */
    async takeOrJoin(projectId: number, signal?: AbortSignal): Promise<Release> {
      return hosts.get(projectId)?.enter() ?? (await stand(projectId, { signal, mayJoin: true }))
    },
    /** Everybody who waits gives up with this reason; the one at work goes on. */
    dismiss(projectId: number, reason: unknown): void {
      for (const waiting of queues.get(projectId)?.splice(1) ?? []) waiting.giveUp(reason)
    },
    /** Is anybody at work on this project, or waiting to be? */
    busy: (projectId: number): boolean => queues.has(projectId),
    /** Resolves when nobody is at work on any project. */
    async idle(): Promise<void> {
      while (queues.size > 0) {
        await new Promise<void>((resolve) => {
          const tell = () => {
            idle.delete(tell)
            resolve()
          }
          idle.add(tell)
        })
      }
    },
  }
}

/** Who waits and would rather be a guest does not have to wait for its own turn. */
function letIn(guests: Guests, queue: Waiting[]): void {
  for (const waiting of queue.slice(1).filter(({ join }) => join !== undefined)) {
    const goAgain = guests.enter()
    if (goAgain && leave(queue, waiting)) waiting.join?.(goAgain)
  }
}

/** False when its turn has begun already: then the work itself must end. */
function leave(queue: Waiting[], me: Waiting): boolean {
  const place = queue.indexOf(me)
  if (place < 1) return false
  queue.splice(place, 1)
  return true
}

function once(work: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    work()
  }
}
