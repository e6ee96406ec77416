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

/** How many of this type shall run. */
export function countOf(counts: ProcessCounts, type: string): number {
  return Object.hasOwn(counts, type) ? (counts[type] ?? 1) : 1
}

/** The process types of a release, `web` first. */
export function typesOf(commands: Pick<Commands, 'workers'>): string[] {
  return ['web', ...Object.keys(commands.workers)]
}

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
    const message = types.includes(type) ? wrongCount(count) : `there is no such process type`
    return message === null ? [] : [{ field: type.slice(0, 60), message }]
  })
  const [first] = fields
  if (!first) return Object.fromEntries([...Object.entries(counts), ...Object.entries(change)])
  throw new Refusal('invalid', `${first.field}: ${first.message}`, {
    fields,
    hint: `the process types are: ${types.join(', ')}; each runs 0 to ${mostInstances} times`,
  })
}

/** Refuses with `invalid` a type that a release has not, naming those it has. */
export function checkType(commands: Pick<Commands, 'workers'>, type: string): void {
  const types = typesOf(commands)
  if (types.includes(type)) return
  const message = 'there is no such process type'
  throw new Refusal('invalid', `type: ${message}`, {
    fields: [{ field: 'type', message }],
    hint: `the process types are: ${types.join(', ')}`,
  })
}

function wrongCount(count: number): string | null {
  if (Number.isInteger(count) && count >= 0 && count <= mostInstances) return null
  return `it is no whole number from 0 to ${mostInstances}`
}
