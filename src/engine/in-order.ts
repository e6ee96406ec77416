/** Carries out tasks of one key one after the other, in the order they came; keys do not wait for each other. */
export type InOrder = <T>(key: string, task: () => Promise<T>) => Promise<T>

export function createOrder(): InOrder {
  const last = new Map<string, Promise<unknown>>()
  return (key, task) => {
    // What went wrong before is the affair of who asked for it.
    const mine = (last.get(key) ?? Promise.resolve()).then(task, task)
    const settled = mine.then(
      () => {},
      () => {},
    )
    last.set(key, settled)
    void settled.then(() => {
      if (last.get(key) === settled) last.delete(key)
    })
    return mine
  }
}
