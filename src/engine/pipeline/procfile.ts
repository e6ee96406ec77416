import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { processTypePattern } from '../domain/process.ts'
import { Refusal } from '../domain/refusal.ts'

export interface Procfile {
  readonly web: string | null
  /** Runs once, after the build and before anything of the release starts. */
  readonly release: string | null
  /** Every other process type, in the order of the file. */
  readonly workers: Readonly<Record<string, string>>
}

const mostTypes = 20
/** Bytes; it is read as a whole. */
const largest = 100_000
/** Names that one-off commands and the release phase carry in logs and in NODEPILOT_INSTANCE. */
const taken: ReadonlySet<string> = new Set(['run'])

/** The slug's Procfile; null where there is none. Refuses with `rejected_tree` names that cannot be used. */
export async function readProcfile(slug: string): Promise<Procfile | null> {
  try {
    const file = path.join(slug, 'Procfile')
    if ((await stat(file)).size > largest) throw tooLarge()
    return parseProcfile(await readFile(file, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Lines `type: command`; the first of a type counts, and every other line is a comment. */
export function parseProcfile(text: string): Procfile {
  const commands = new Map<string, string>()
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const [, type, rest] = /^([A-Za-z0-9_-]+):(.*)$/.exec(line) ?? []
    const command = rest?.trim()
    if (type !== undefined && command && !commands.has(type)) commands.set(type, command)
  }
  const web = commands.get('web') ?? null
  const release = commands.get('release') ?? null
  commands.delete('web')
  commands.delete('release')
  for (const type of commands.keys()) checkType(type)
  if (commands.size > mostTypes) throw refuse(`Procfile: there are more than ${mostTypes} process types`)
  return { web, release, workers: Object.fromEntries(commands) }
}

function checkType(type: string): void {
  if (processTypePattern.test(type) && !taken.has(type)) return
  throw refuse(`Procfile: "${type.slice(0, 60)}" cannot be the name of a process type`)
}

function tooLarge(): Refusal {
  return new Refusal('rejected_tree', 'Procfile: it has more than 100 kB', {
    hint: 'put long commands into scripts of their own',
  })
}

function refuse(sentence: string): Refusal {
  return new Refusal('rejected_tree', sentence, {
    hint: 'name process types with up to 40 letters, digits, - and _, beginning with a letter, but not "run"',
  })
}
