import type { Context } from '../context.ts'
import type { AuditFacts } from '../domain/audit.ts'
import type { Deployment } from '../domain/deployment.ts'
import { configVarsProblem } from '../domain/environment.ts'
import { Refusal } from '../domain/refusal.ts'
import { proveSlug } from '../pipeline/deploy.ts'
import type { ProjectRow } from '../store/projects.ts'
import { attempt } from './attempt.ts'
import type { By } from './deployments.ts'

export type ConfigVarCases = ReturnType<typeof createConfigVarCases>
type Vars = Readonly<Record<string, string>>

export function createConfigVarCases(ctx: Context) {
  /**
   * Stores new values. With `apply`, a running project gets a new release of the same files with them, behind
   * the same health check; when that fails, nothing is stored.
   */
  const store = (project: ProjectRow, next: (current: Vars) => Vars): null => {
    ctx.store.transaction(() => {
      const current = ctx.store.projects.find(project.id)
      if (current) ctx.store.projects.update(project.id, { envVars: next(current.envVars) })
    })
    return null
  }
  const apply = async (
    project: ProjectRow,
    next: (current: Vars) => Vars,
    atOnce: boolean,
    by: By,
  ): Promise<Deployment | null> => {
    const base = ctx.store.releases.find(project.id, project.currentRelease ?? -1)
    if (!atOnce || !base || project.status === 'stopped') {
      return store(project, next)
    }
    // what is stored already may not be live yet (`apply=false`)
    if (same(next(project.envVars), base.envVars)) return store(project, next)
    let values: Vars = {}
    const request = {
      ...by,
      projectId: project.id,
      label: 'new config vars',
      source: base.source,
      onLive: () => ctx.store.projects.update(project.id, { envVars: values }),
    }
    const proven = await attempt(ctx, request, (work) => {
      values = next(work.project.envVars)
      const current = ctx.store.releases.find(project.id, work.project.currentRelease ?? -1) ?? base
      return proveSlug(ctx, work, current, values)
    })
    return proven.goLive()
  }
  const change = async (project: ProjectRow, next: (current: Vars) => Vars, atOnce: boolean, by: By) => {
    const deployment = await apply(project, next, atOnce, by)
    const now = ctx.store.projects.find(project.id)?.envVars ?? {}
    const after = namesThatDiffer(project.envVars, now)
    ctx.audit({ who: by.who, action: 'config-vars.change', project, after })
    return deployment
  }

  return {
    /** Replaces all. Refuses with `invalid` what is too much for a process. */
    put: (project: ProjectRow, values: Vars, apply: boolean, by: By) =>
      change(project, () => fitting(values), apply, by),

    /** Merges; null removes. */
    patch: (project: ProjectRow, values: Readonly<Record<string, string | null>>, apply: boolean, by: By) =>
      change(project, (current) => fitting(merge(current, values)), apply, by),
  }
}

/** Values are nobody's business. */
function namesThatDiffer(before: Vars, after: Vars): AuditFacts {
  const names = Object.keys(after)
  return {
    // `constructor` is a name like any other
    added: names.filter((name) => !Object.hasOwn(before, name)),
    changed: names.filter((name) => Object.hasOwn(before, name) && before[name] !== after[name]),
    removed: Object.keys(before).filter((name) => !Object.hasOwn(after, name)),
  }
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

function merge(current: Vars, change: Readonly<Record<string, string | null>>): Vars {
  const merged: Record<string, string> = { ...current }
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete merged[key]
    else merged[key] = value
  }
  return merged
}

function same(a: Vars, b: Vars): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}
