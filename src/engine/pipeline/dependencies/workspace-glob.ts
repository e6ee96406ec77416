/**
 * Patterns of workspaces, matched in a time that grows with their length and not faster: they come from strangers,
 * and are looked at in the process that answers everybody.
 */
export interface Glob {
  readonly excludes: boolean
  /** Of the path: a name, a name with `*` in it, or `**`. */
  readonly segments: readonly string[]
}

/** So many segments of a pattern are matched by the folders on the way to one. */
export interface State {
  readonly glob: Glob
  readonly position: number
}

const longest = 500

/** `!./packages/**`; one that leads out or is endless names nothing. */
export function parseGlob(pattern: string): Glob {
  const excludes = pattern.startsWith('!')
  const segments = pattern
    .slice(excludes ? 1 : 0, longest + 2)
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.')
    // `**/**` is `**`
    .filter((segment, index, all) => segment !== '**' || all[index - 1] !== '**')
  const nothing = segments.includes('..') || pattern.length > longest
  return { excludes, segments: nothing ? ['\0'] : segments }
}

/** With what `**` matches when it stands for no folder at all; none twice. */
export function closure(states: readonly State[]): State[] {
  const seen = new Map<Glob, Set<number>>()
  return states
    .flatMap((state) => (segmentOf(state) === '**' ? [state, after(state)] : [state]))
    .filter(({ glob, position }) => {
      const positions = seen.get(glob) ?? new Set()
      if (positions.has(position)) return false
      seen.set(glob, positions.add(position))
      return true
    })
}

/** The one name that is matched next; null: a pattern decides. */
export function literalOf(state: State): string | null {
  const segment = segmentOf(state)
  return segment.includes('*') ? null : segment
}

/** From left to right, each piece where it first occurs: that finds a match wherever there is one. */
export function matches(state: State, name: string): boolean {
  const [first = '', ...pieces] = segmentOf(state).split('*')
  const last = pieces.pop() ?? ''
  const end = name.length - last.length
  if (end < first.length || !name.startsWith(first) || !name.endsWith(last)) return false
  let at = first.length
  for (const piece of pieces) {
    const found = name.indexOf(piece, at)
    if (found < 0 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}

/** One folder further; `**` goes on. */
export function step(state: State): State {
  return segmentOf(state) === '**' ? state : after(state)
}

function after({ glob, position }: State): State {
  return { glob, position: position + 1 }
}

function segmentOf({ glob, position }: State): string {
  return glob.segments[position] ?? ''
}
