import type { Context } from '../context.ts'
import {
  comparableVars,
  lockedRefusal,
  type StoredVars,
  type VarScope,
  type VarScopes,
  type Vars,
  varsAtRun,
} from '../domain/config-vars.ts'
import type { Deployment } from '../domain/deployment.ts'
import { configVarsProblem } from '../domain/environment.ts'
import { Refusal } from '../domain/refusal.ts'
import { proveSlug } from '../pipeline/deploy.ts'
import type { ProjectRow } from '../store/projects.ts'
import { attempt } from './attempt.ts'
import type { By } from './deployments.ts'

export type ConfigVarCases = ReturnType<typeof createConfigVarCases>

/** New scopes by name; a name that is not here keeps its own. */
export type ScopeChange = Readonly<Record<string, VarScope | 'all'>>

/** All config vars as they are to be. */
interface Next {
  readonly envVars: Vars
  readonly envScopes: VarScopes
  /** Cannot be opened, and stay. */
  readonly lockedVars: readonly string[]
}

type ToNext = (current: StoredVars) => Next

/** `onUnlocked`: what waited for config vars that could not be read can go on. */
export function createConfigVarCases(ctx: Context, onUnlocked: () => void) {
  const store = (project: ProjectRow, next: ToNext): null => {
    ctx.store.transaction(() => {
      const current = ctx.store.projects.find(project.id)
      if (current) ctx.store.projects.update(project.id, next(current))
    })
    return null
  }
  /**
   * Stores new values. With `apply`, a running project gets a new release of the same files with them, behind
   * the same health check; when that fails, nothing is stored.
   */
  const apply = async (
    project: ProjectRow,
    next: ToNext,
    atOnce: boolean,
    by: By,
  ): Promise<Deployment | null> => {
    const base = ctx.store.releases.find(project.id, project.currentRelease ?? -1)
    // restored from a backup and not built again yet: there are no files to start
    if (!atOnce || !base || base.prunedAt !== null || project.status === 'stopped') {
      return store(project, next)
    }
    const wanted = whole(next(project))
    // what is stored already may not be live yet (`apply=false`); what only builds see waits for the next one
    if (base.lockedVars.length === 0 && same(varsAtRun(wanted), varsAtRun(base))) return store(project, next)
    let values = wanted
    const request = {
      ...by,
      projectId: project.id,
      label: 'new config vars',
      source: base.source,
      onLive: () => ctx.store.projects.update(project.id, values),
    }
    const proven = await attempt(ctx, request, (work) => {
      values = whole(next(work.project))
      const current = ctx.store.releases.find(project.id, work.project.currentRelease ?? -1) ?? base
      return proveSlug(ctx, work, current, values)
    })
    return proven.goLive()
  }
  const change = async (project: ProjectRow, next: ToNext, atOnce: boolean, by: By) => {
    const before = {
      vars: comparableVars(project),
      scopes: project.envScopes,
      locked: project.lockedVars.length > 0,
    }
    const deployment = await apply(project, next, atOnce, by)
    const now = ctx.store.projects.find(project.id)
    if (now) {
      const names = namesThatDiffer(before.vars, comparableVars(now))
      const scopes = scopesThatDiffer(before.scopes, now.envScopes)
      const after = { ...names, ...(Object.keys(scopes).length > 0 ? { scopes } : {}) }
      ctx.audit({ who: by.who, action: 'config-vars.change', project, after })
      keepOwn(ctx, now, [...Object.values(names).flat(), ...Object.keys(scopes)])
      if (before.locked && now.lockedVars.length === 0) onUnlocked()
    }
    return deployment
  }

  return {
    /**
     * Replaces all; a scope stays with its name. Refuses with `invalid` what is too much for a process, and a scope
     * for a name that is not there.
     */
    put: (project: ProjectRow, values: Vars, apply: boolean, by: By, scopes?: ScopeChange) =>
      change(
        project,
        ({ envScopes }) => fittingNext({ envVars: values, envScopes, lockedVars: [] }, scopes),
        apply,
        by,
      ),

    /** Merges; null removes. Refuses as `put`. */
    patch: (
      project: ProjectRow,
      values: Readonly<Record<string, string | null>>,
      apply: boolean,
      by: By,
      scopes?: ScopeChange,
    ) => change(project, (current) => fittingNext(merge(current, values), scopes), apply, by),
  }
}

/** What is changed in a preview no longer follows its project. */
function keepOwn(ctx: Context, { id, preview }: ProjectRow, names: readonly string[]): void {
  if (preview) ctx.store.projects.setPreviewVars(id, [...new Set([...preview.ownVars, ...names])])
}

/** Values are nobody's business. */
function namesThatDiffer(before: Vars, after: Vars) {
  const names = Object.keys(after)
  return {
    // `constructor` is a name like any other
    added: names.filter((name) => !Object.hasOwn(before, name)),
    changed: names.filter((name) => Object.hasOwn(before, name) && before[name] !== after[name]),
    removed: Object.keys(before).filter((name) => !Object.hasOwn(after, name)),
  }
}

function scopesThatDiffer(before: VarScopes, after: VarScopes): Readonly<Record<string, string>> {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  const changed = names.filter((name) => before[name] !== after[name])
  return Object.fromEntries(changed.map((name) => [name, after[name] ?? 'all']))
}

/** Refuses before anything is stored or started. */
export function fitting(vars: Vars): Vars {
  const message = configVarsProblem(vars)
  if (message === null) return vars
  throw new Refusal('invalid', `envVars: ${message}`, {
    hint: 'keep large values in a file of the data folder, or remove some',
    fields: [{ field: 'envVars', message }],
  })
}

function fittingNext(next: Next, change: ScopeChange = {}): Next {
  fitting(next.envVars)
  const there = (name: string) => Object.hasOwn(next.envVars, name) || next.lockedVars.includes(name)
  const stranger = Object.keys(change).find((name) => !there(name))
  if (stranger !== undefined) {
    throw new Refusal('invalid', `scopes: there is no config var ${stranger}`, {
      fields: [{ field: `scopes.${stranger}`, message: 'there is no config var of this name' }],
    })
  }
  const merged = Object.entries({ ...next.envScopes, ...change }).flatMap(([name, scope]) =>
    there(name) && scope !== 'all' ? [[name, scope] as const] : [],
  )
  return { ...next, envScopes: Object.fromEntries(merged) }
}

function merge(current: StoredVars, change: Readonly<Record<string, string | null>>): Next {
  const changed = Object.entries(change)
  const values = new Map(Object.entries(current.readableVars))
  for (const [name, value] of changed) {
    if (value === null) values.delete(name)
    else values.set(name, value)
  }
  return {
    envVars: Object.fromEntries(values),
    envScopes: current.envScopes,
    lockedVars: current.lockedVars.filter((name) => !Object.hasOwn(change, name)),
  }
}

/** Nothing is started with less than it had. */
function whole(next: Next): Next {
  if (next.lockedVars.length === 0) return next
  throw lockedRefusal(next.lockedVars)
}

function same(a: Vars, b: Vars): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}
