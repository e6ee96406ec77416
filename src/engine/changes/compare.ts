import type { CommitRange, SourceCommit, SourceHistory } from '../ports.ts'
import { compareDependencies, type DependencyChanges, type DependencyFiles } from './dependencies.ts'

/** What a deployment changed against the release before it. */
export interface Changes {
  /** The release that was live before; null for the first. */
  readonly from: number | null
  /** The release it made; null where it failed. */
  readonly to: number | null
  /** Whether both are commits whose history is known; else `commits` and `undone` are empty. */
  readonly history: boolean
  /** New ones, newest first; of many only the newest. */
  readonly commits: readonly SourceCommit[]
  readonly commitCount: number
  /** Those that are gone again: after a rollback or a forced push. */
  readonly undone: readonly SourceCommit[]
  readonly undoneCount: number
  /** null: unknown. */
  readonly dependencies: DependencyChanges | null
  /** Names, never values. */
  readonly configVars: NameChanges
  readonly commands: readonly CommandChange[]
}

export interface NameChanges {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
}

/** Of a process type; null: there was or is none. */
export interface CommandChange {
  readonly type: string
  readonly from: string | null
  readonly to: string | null
}

/** What is compared of a version. */
export interface Version {
  readonly release: number | null
  /** A commit id, null for an upload. */
  readonly commit: string | null
  /** Asked for only where commits are to be compared: it costs a git process. */
  readonly history: () => Promise<SourceHistory | null>
  readonly files: DependencyFiles | null
  readonly envVars: Readonly<Record<string, string>>
  /** By process type; null: it never came to a start. */
  readonly commands: Readonly<Record<string, string>> | null
}

export async function compareVersions(before: Version | null, after: Version): Promise<Changes> {
  const none = { from: null, to: after.release, history: false, ...nothing }
  if (!before) return none
  const ranges = await compareCommits(before, after)
  return {
    from: before.release,
    to: after.release,
    history: ranges !== null,
    commits: ranges?.added.commits ?? [],
    commitCount: ranges?.added.count ?? 0,
    undone: ranges?.removed.commits ?? [],
    undoneCount: ranges?.removed.count ?? 0,
    dependencies: before.files && after.files && compareDependencies(before.files, after.files),
    configVars: compareNames(before.envVars, after.envVars),
    commands: after.commands && before.commands ? compareCommands(before.commands, after.commands) : [],
  }
}

const nothing = {
  ...{ commits: [], commitCount: 0, undone: [], undoneCount: 0, dependencies: null, commands: [] },
  configVars: { added: [], removed: [], changed: [] },
} as const

const emptyRange: CommitRange = { commits: [], count: 0 }

async function compareCommits(
  before: Version,
  after: Version,
): Promise<{ readonly added: CommitRange; readonly removed: CommitRange } | null> {
  if (before.commit === null || after.commit === null) return null
  if (before.commit === after.commit) return { added: emptyRange, removed: emptyRange }
  return (await (await after.history())?.against(before.commit)) ?? null
}

function compareNames(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): NameChanges {
  const old = new Map(Object.entries(before))
  const now = new Map(Object.entries(after))
  return {
    added: [...now.keys()].filter((name) => !old.has(name)).sort(),
    removed: [...old.keys()].filter((name) => !now.has(name)).sort(),
    changed: [...now.keys()].filter((name) => old.has(name) && old.get(name) !== now.get(name)).sort(),
  }
}

function compareCommands(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): CommandChange[] {
  const types = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return types
    .map((type) => ({ type, from: before[type] ?? null, to: after[type] ?? null }))
    .filter(({ from, to }) => from !== to)
}
