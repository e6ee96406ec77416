import type { PlacedLine } from './history.ts'

/** What viewers may still come for: the newest lines, with a bound. Older ones are gone, and counted. */

/** A stretch that nobody gets: so many lines at least. */
export interface Gap {
  readonly gap: number
}

export type Entry = PlacedLine | Gap

/** At most this many lines … */
const mostLines = 10_000
/** … and this many characters. */
const mostCharacters = 8_000_000
const takenCharacters = 256_000

export type Ring = ReturnType<typeof createRing>

export function createRing() {
  const slots: (Entry | undefined)[] = []
  let oldest = 0
  let next = 0
  let characters = 0

  return {
    push(entry: Entry): void {
      const size = sizeOf(entry)
      while (next > oldest && (next - oldest >= mostLines || characters + size > mostCharacters)) {
        characters -= sizeOf(slots[oldest % mostLines])
        slots[oldest % mostLines] = undefined
        oldest++
      }
      slots[next % mostLines] = entry
      characters += size
      next++
    },
    /** The number of the oldest line that is still there, and of the one to come. */
    oldest: () => oldest,
    next: () => next,
    /** From a number on, at most `most` of them and not much more than a socket takes at once. */
    take(from: number, most: number): Entry[] {
      const taken: Entry[] = []
      let size = 0
      for (let number = Math.max(from, oldest); number < next; number++) {
        const entry = slots[number % mostLines]
        if (!entry || taken.length >= most || size > takenCharacters) break
        taken.push(entry)
        size += sizeOf(entry)
      }
      return taken
    },
  }
}

function sizeOf(entry: Entry | undefined): number {
  return entry && 'line' in entry ? entry.line.line.length : 0
}
