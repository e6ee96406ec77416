import { Refusal } from './refusal.ts'

/** Process types: `web` takes the traffic; every other one is a worker and takes none. */

/** The commands of a release, by process type. */
export interface Commands {
  /** Of `web`: what `/bin/sh` runs. */
  readonly command: string
  /** Of every other process type. */
  readonly workers: Readonly<Record<string, string>>
}

/** Names become file names and names of processes. */
export const processTypePattern = /^[A-Za-z][A-Za-z0-9_-]{0,39}$/

/** More of one type than this is a mistake on one machine. */
export const mostInstances = 50

/** How many of each type were asked for; what is not named runs once. */
export type ProcessCounts = Readonly<Record<string, number>>

/** In place of a type: every one but `web` that is not named. No type can be called so. */
export const othersCount = '*'

/** How many of this type shall run. */
export function countOf(counts: ProcessCounts, type: string): number {
  const otherwise = type === 'web' ? 1 : (counts[othersCount] ?? 1)
  return Object.hasOwn(counts, type) ? (counts[type] ?? 1) : otherwise
}

/** The process types of a release, `web` first; where `web` is static files, it is none. */
export function typesOf({ workers, plan }: Pick<Commands, 'workers'> & { plan: HowWeb }): string[] {
  return [...(plan.static === null ? ['web'] : []), ...Object.keys(workers)]
}

/** How many processes of `web` are wanted. */
export function webCount(counts: ProcessCounts, plan: HowWeb): number {
  return plan.static === null ? countOf(counts, 'web') : 0
}

type HowWeb = { readonly static: object | null }

/** The command of one type; null when the release has no such type. */
export function commandOf({ command, workers }: Commands, type: string): string | null {
  if (type === 'web') return command
  return Object.hasOwn(workers, type) ? (workers[type] ?? null) : null
}

/** What is wanted of every type there is. */
export function wantedOf(counts: ProcessCounts, types: readonly string[]): Record<string, number> {
  return Object.fromEntries(types.map((type) => [type, countOf(counts, type)]))
}

/**
 * The counts after a change. Refuses with `invalid` a type that there is not, naming those there are, and
 * numbers that are none of 0 to 50. None of `web` is allowed: a project may work in the background alone.
 */
export function changeCounts(
  counts: ProcessCounts,
  change: ProcessCounts,
  types: readonly string[],
): Record<string, number> {
  const fields = Object.entries(change).flatMap(([type, count]) => {
    const message = types.includes(type) ? wrongCount(count) : unknownType(type, types)
    return message === null ? [] : [{ field: type.slice(0, 60), message }]
  })
  const [first] = fields
  if (!first) return Object.fromEntries([...Object.entries(counts), ...Object.entries(change)])
  const known = types.length === 0 ? 'it has no processes' : `the process types are: ${types.join(', ')}`
  throw new Refusal('invalid', `${first.field}: ${first.message}`, {
    fields,
    hint: `${known}; each runs 0 to ${mostInstances} times`,
  })
}

/** Refuses with `invalid` a type that a release has not, naming those it has. */
export function checkType(release: Pick<Commands, 'workers'> & { plan: HowWeb }, type: string): void {
  const types = typesOf(release)
  if (types.includes(type)) return
  const message = unknownType(type, types)
  throw new Refusal('invalid', `type: ${message}`, {
    fields: [{ field: 'type', message }],
    hint: types.length === 0 ? 'it has no processes' : `the process types are: ${types.join(', ')}`,
  })
}

/** Every release has `web`, unless it is static files. */
function unknownType(type: string, types: readonly string[]): string {
  if (type !== 'web' || types.includes('web')) return 'there is no such process type'
  return 'it is static files, which the front door serves without a process'
}

function wrongCount(count: number): string | null {
  if (Number.isInteger(count) && count >= 0 && count <= mostInstances) return null
  return `it is no whole number from 0 to ${mostInstances}`
}
