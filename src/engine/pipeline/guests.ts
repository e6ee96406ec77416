/** Those who work on a project beside the one who has its turn, for as long as that one lets them in. */
export interface Guests {
  /** null: nobody is let in any more. */
  enter(): (() => void) | null
  /** Lets nobody in any more; resolves when those who came have left. */
  shut(): Promise<void>
}

export function createGuests(): Guests {
  const inside = new Set<Promise<void>>()
  let open = true
  return {
    enter() {
      if (!open) return null
      let leave = () => {}
      const stay = new Promise<void>((resolve) => {
        leave = resolve
      })
      inside.add(stay)
      return leave
    },
    async shut() {
      open = false
      await Promise.all(inside)
    },
  }
}
