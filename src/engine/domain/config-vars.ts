import { Refusal } from './refusal.ts'

/** What the user sets for a project's processes. */
export type Vars = Readonly<Record<string, string>>

/** `run`: kept from installs and builds. `build`: kept from processes. What is not named is for both. */
export type VarScope = 'run' | 'build'
export type VarScopes = Readonly<Record<string, VarScope>>

/** Config vars as a row of the database keeps them: sealed, and opened when somebody asks for a value. */
export interface StoredVars {
  /** All of them. Refuses with `conflict` where one cannot be opened: nothing may run with less than it had. */
  readonly envVars: Vars
  /** Those that can be opened. */
  readonly readableVars: Vars
  /** Names of those whose key this home does not have: it was restored without its keys. */
  readonly lockedVars: readonly string[]
  readonly envScopes: VarScopes
}

/** What processes, the release phase and one-off commands get. */
export function varsAtRun({ envVars, envScopes }: Pick<StoredVars, 'envVars' | 'envScopes'>): Vars {
  return without(envVars, envScopes, 'build')
}

/** What installs and builds get. */
export function varsAtBuild({ envVars, envScopes }: Pick<StoredVars, 'envVars' | 'envScopes'>): Vars {
  return without(envVars, envScopes, 'run')
}

function without(vars: Vars, scopes: VarScopes, scope: VarScope): Vars {
  if (Object.keys(scopes).length === 0) return vars
  return Object.fromEntries(
    Object.entries(vars).filter(([name]) => !Object.hasOwn(scopes, name) || scopes[name] !== scope),
  )
}

/** For a comparison by name that must not fail where a value cannot be read. */
export function comparableVars(row: StoredVars): Vars {
  if (row.lockedVars.length === 0) return row.envVars
  return { ...row.readableVars, ...Object.fromEntries(row.lockedVars.map((name) => [name, ''])) }
}

/** Nobody can open these any more, unless the key comes back. */
export function lockedRefusal(names: readonly string[]): Refusal {
  const some = names.slice(0, 10).join(', ') + (names.length > 10 ? ` and ${names.length - 10} more` : '')
  return new Refusal('conflict', `config vars that this home has no key for: ${some}`, {
    hint: 'put the config-vars-*.key files of the old home into keys/ and start again, or set or remove each of them',
  })
}
