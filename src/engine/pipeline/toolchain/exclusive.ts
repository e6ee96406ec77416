/** Work of one key at a time; whoever comes second waits, and may give up waiting. */
export type Exclusive = <T>(key: string, signal: AbortSignal, work: () => Promise<T>) => Promise<T>

export function createExclusive(): Exclusive {
  const tails = new Map<string, Promise<void>>()
  return async (key, signal, work) => {
    const before = tails.get(key) ?? Promise.resolve()
    let leave = () => {}
    const mine = new Promise<void>((resolve) => {
      leave = resolve
    })
    const tail = before.then(() => mine)
    tails.set(key, tail)
    // Who gives up waiting must not open the door for those behind: the one inside still is.
    void tail.then(() => tails.get(key) === tail && tails.delete(key))
    try {
      await orAborted(before, signal)
      return await work()
    } finally {
      leave()
    }
  }
}

function orAborted(wait: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    void wait.then(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
  })
}
