import semver from 'semver'

/** From the words of an app to one version of Node. Pure. */

/** Node's names for its long-term lines (github.com/nodejs/Release, CODENAMES.md). */
const codenames: Readonly<Record<string, number>> = {
  argon: 4,
  boron: 6,
  carbon: 8,
  dubnium: 10,
  erbium: 12,
  fermium: 14,
  gallium: 16,
  hydrogen: 18,
  iron: 20,
  jod: 22,
  krypton: 24,
  lithium: 26,
}

/** What is asked for; `newest`: the latest of it, also where the server's own Node would do. */
export type NodeWish =
  | { readonly kind: 'range'; readonly range: string }
  | { readonly kind: 'newest' }
  /** Of the long-term lines, counted from the newest: 0, 1, … */
  | { readonly kind: 'lts'; readonly back: number }

/** Versions, ranges, and the aliases of nvm: `lts/*`, `lts/-1`, `lts/iron`, `node`. Null: none of these. */
export function readNodeWish(asked: string): NodeWish | null {
  const word = asked.toLowerCase()
  if (/^(node|latest|current|stable)$/.test(word)) return { kind: 'newest' }
  if (/^lts(\/\*)?$/.test(word)) return { kind: 'lts', back: 0 }
  const back = /^lts\/-(\d{1,2})$/.exec(word)?.[1]
  if (back !== undefined) return { kind: 'lts', back: Number(back) }
  const name = word.replace(/^lts\//, '')
  const major = Object.hasOwn(codenames, name) ? codenames[name] : undefined
  if (major !== undefined) return { kind: 'range', range: `^${major}.0.0` }
  const range = semver.validRange(asked, { loose: true })
  return range === null ? null : { kind: 'range', range: range === '' ? '*' : range }
}

/** Exactly one version: nobody has to be asked what there is. */
export function exactVersion(wish: NodeWish): string | null {
  return wish.kind === 'range' ? semver.valid(wish.range) : null
}

/** Whether the server's own Node will do, without asking what else there is. */
export function ownSuffices(wish: NodeWish, own: string): boolean {
  return wish.kind === 'range' && semver.satisfies(own, wish.range)
}

/**
 * The version to take: the newest of a long-term line, where one will do; else the newest of all. Null: none.
 * `own` is taken before others of the same line. `today` is in ms since 1970.
 */
export function pickNode(
  wish: NodeWish,
  available: readonly string[],
  own: string,
  today: number,
): string | null {
  const all = semver.rsort([...new Set([...available, own])].filter((version) => !semver.prerelease(version)))
  if (wish.kind === 'newest') return all[0] ?? null
  if (wish.kind === 'lts') {
    const lines = [...new Set(all.map((version) => semver.major(version)))].filter((line) =>
      isLongTerm(line, today),
    )
    const line = lines[wish.back]
    if (line === undefined) return null
    return semver.major(own) === line ? own : newestOf(all, line)
  }
  const fitting = all.filter((version) => semver.satisfies(version, wish.range))
  if (fitting.includes(own)) return own
  return fitting.find((version) => isLongTerm(semver.major(version), today)) ?? fitting[0] ?? null
}

/** The newest of each line that people use, for a hint: `22.22.0, 24.16.0`. */
export function newestOfLines(available: readonly string[], today: number): string[] {
  const all = semver.rsort(available.filter((version) => !semver.prerelease(version)))
  const lines = [...new Set(all.map((version) => semver.major(version)))]
  const shown = lines.filter((line, at) => at === 0 || isLongTerm(line, today)).slice(0, 5)
  return shown.map((line) => newestOf(all, line) ?? '').reverse()
}

function newestOf(sorted: readonly string[], line: number): string | null {
  return sorted.find((version) => semver.major(version) === line) ?? null
}

/**
 * Every even line came in an April and is long-term from the end of October on (20: 2023, 22: 2024). From 27 on
 * every line is, one a year (27: 2027).
 */
function isLongTerm(line: number, today: number): boolean {
  if (line < 4 || (line < 27 && line % 2 === 1)) return false
  const year = line < 27 ? 2013 + line / 2 : 2000 + line
  return today >= Date.UTC(year, 9, 28)
}
