import type { StoredVars, VarScopes, Vars } from '../domain/config-vars.ts'
import type { PreviewOf } from '../domain/preview.ts'
import type { ProcessCounts } from '../domain/process.ts'
import type { ProjectStatus } from '../domain/project.ts'
import { type ProjectSettings, readSettings, type SettingsChange } from '../domain/settings.ts'
import type { Db } from './database.ts'
import type { Vault } from './vault.ts'

/** What a project's row says, in the words of the glossary. */
export interface ProjectRow extends StoredVars {
  readonly id: number
  readonly name: string
  readonly displayName: string
  readonly path: string
  /** Empty: the app decides (Procfile, package.json …). */
  readonly startCommand: string
  /** The port the first instance gets when it is free; null: any. */
  readonly port: number | null
  readonly status: ProjectStatus
  /** Since when it sleeps, ISO 8601: nothing of it runs until somebody asks for it. null: it does not. */
  readonly asleepAt: string | null
  /** Why it could not be woken the last time; null: it could. */
  readonly wakeProblem: string | null
  readonly createdAt: string
  readonly updatedAt: string
  /** null until the first push: then `main`, else `master`. */
  readonly deployBranch: string | null
  readonly healthPath: string | null
  readonly bootTimeoutMs: number
  readonly memoryLimitMb: number | null
  /** Releases kept on disk; null: the setting of the server. */
  readonly keepReleases: number | null
  /** Its node_modules is written to: give every release a private copy. */
  readonly privateModules: boolean
  readonly currentRelease: number | null
  /** How many of each process type were asked for, also of types that only older releases have. */
  readonly processes: ProcessCounts
  /** Workers of a new release start while those of the old one still end; else only after that. */
  readonly overlapWorkers: boolean
  readonly settings: ProjectSettings
  /** The repository its commits are in: its own, or that of the project it is a preview of. */
  readonly repository: string
  /** null: a project of its own. */
  readonly preview: PreviewOf | null
}

export interface NewProject {
  readonly name: string
  readonly displayName: string
  readonly path: string
  readonly startCommand: string
  readonly port: number | null
  readonly envVars: Vars
  readonly envScopes?: VarScopes
}

/** What may be changed after creation. */
export type ProjectChange = {
  readonly [Key in Exclude<
    keyof ProjectRow,
    | 'id'
    | 'name'
    | 'path'
    | 'createdAt'
    | 'updatedAt'
    | 'settings'
    | 'repository'
    | 'preview'
    | keyof StoredVars
  >]?: ProjectRow[Key] | undefined
} & {
  /** All of them; scopes of those that stay are kept where none are given. */
  readonly envVars?: Vars | undefined
  readonly envScopes?: VarScopes | undefined
  /** Names that cannot be opened and stay all the same, beside `envVars`. */
  readonly lockedVars?: readonly string[] | undefined
  /** What is not named stays. */
  readonly settings?: SettingsChange | undefined
}

export type Projects = ReturnType<typeof createProjects>

export function createProjects(db: Db, now: () => string, vault: Vault) {
  const insert = db.prepare(`
    INSERT INTO projects (name, display_name, path, start_command, port, env_vars, pm2_name, status, created_at, updated_at)
    VALUES (@name, @displayName, @path, @startCommand, @port, @envVars, @pm2Name, 'stopped', @now, @now)`)
  const byName = db.prepare('SELECT * FROM projects WHERE name = ?')
  const byId = db.prepare('SELECT * FROM projects WHERE id = ?')
  const all = db.prepare('SELECT * FROM projects ORDER BY name')
  const names = db.prepare('SELECT id, name FROM projects ORDER BY name')
  const limited = db.prepare('SELECT * FROM projects WHERE memory_limit_mb IS NOT NULL')
  const remove = db.prepare('DELETE FROM projects WHERE id = ?')
  const nextDeployment = db.prepare(
    'UPDATE projects SET last_deployment = last_deployment + 1 WHERE id = ? RETURNING last_deployment AS number',
  )
  const settingsOf = db.prepare('SELECT settings FROM projects WHERE id = ?').pluck()
  const merged = (id: number, change: unknown): object => {
    const stored = JSON.parse((settingsOf.get(id) as string | undefined) ?? '{}') as object
    return { ...stored, ...(change as SettingsChange) }
  }
  const makePreview = db.prepare(
    'UPDATE projects SET preview_of = ?, preview_branch = ?, repository = ?, preview_used_at = ? WHERE id = ?',
  )
  const previewsOf = db.prepare('SELECT * FROM projects WHERE preview_of = ? ORDER BY name')
  const allPreviews = db.prepare('SELECT * FROM projects WHERE preview_of IS NOT NULL ORDER BY name')
  const previewParents = db.prepare('SELECT id, preview_of FROM projects WHERE preview_of IS NOT NULL').raw()
  const touchPreview = db.prepare('UPDATE projects SET preview_used_at = ? WHERE id = ?')
  const setPreviewVars = db.prepare('UPDATE projects SET preview_vars = ? WHERE id = ?')
  const sealedOf = db.prepare('SELECT env_vars FROM projects WHERE id = ?').pluck()
  const setSealed = db.prepare('UPDATE projects SET env_vars = ? WHERE id = ?')
  const varsOf = (id: number, change: VarsChange): string => {
    const before = (sealedOf.get(id) as string | null | undefined) ?? '{}'
    const stored = vault.lazily(id, before)
    const { envVars = stored.readableVars, envScopes = stored.envScopes } = change
    const kept = change.lockedVars ?? (change.envVars ? [] : stored.lockedVars)
    return vault.close(id, envVars, envScopes, { before, kept })
  }
  const toProject = (row: RawProject) => projectOf(row, vault)
  // sealed for the number of the project, which it has only now
  const createRow = db.transaction(({ envVars, envScopes = {}, ...project }: NewProject): number => {
    const names = { ...project, envVars: '{}', pm2Name: `nodepilot-${project.name}`, now: now() }
    const id = Number(insert.run(names).lastInsertRowid)
    setSealed.run(vault.close(id, envVars, envScopes), id)
    return id
  })
  return {
    create(project: NewProject): ProjectRow {
      return toProject(byId.get(createRow(project)) as RawProject)
    },
    /** By name, or by number. */
    find(id: string | number): ProjectRow | null {
      const numeric = typeof id === 'number' || /^\d+$/.test(id)
      const row = (numeric ? byId.get(Number(id)) : byName.get(id)) as RawProject | undefined
      return row ? toProject(row) : null
    },
    list(): ProjectRow[] {
      return (all.all() as RawProject[]).map(toProject)
    },
    /** Of all, by name; for those who need no more. */
    names(): readonly { readonly id: number; readonly name: string }[] {
      return names.all() as { id: number; name: string }[]
    },
    /** Those that have a memory limit. */
    limited(): ProjectRow[] {
      return (limited.all() as RawProject[]).map(toProject)
    },
    update(id: number, change: ProjectChange): void {
      const { envVars, envScopes, lockedVars, ...plain } = change
      const columns: [string, unknown][] = Object.entries(plain).filter(([, value]) => value !== undefined)
      if (envVars || envScopes) columns.push(['envVars', varsOf(id, { envVars, envScopes, lockedVars })])
      if (columns.length === 0) return
      const assignments = columns.map(([key]) => `${columnOf[key as keyof typeof columnOf]} = ?`).join(', ')
      const values = columns.map(([key, value]) => toColumn(key === 'settings' ? merged(id, value) : value))
      db.prepare(`UPDATE projects SET ${assignments}, updated_at = ? WHERE id = ?`).run(...values, now(), id)
    },
    /** Turns a new project into a preview. */
    makePreview(
      id: number,
      { parent, branch, repository }: { parent: number; branch: string; repository: string },
    ): void {
      makePreview.run(parent, branch, repository, now(), id)
    },
    previewsOf: (parent: number): ProjectRow[] => (previewsOf.all(parent) as RawProject[]).map(toProject),
    allPreviews: (): ProjectRow[] => (allPreviews.all() as RawProject[]).map(toProject),
    /** Number of each preview → number of the project it belongs to. */
    previewParents: (): ReadonlyMap<number, number> => new Map(previewParents.all() as [number, number][]),
    /** It was used now. */
    touchPreview(id: number): void {
      touchPreview.run(now(), id)
    },
    setPreviewVars(id: number, names: readonly string[]): void {
      setPreviewVars.run(JSON.stringify(names), id)
    },
    remove(id: number): void {
      remove.run(id)
    },
    /** Deployment numbers rise by one a project and are never given twice. */
    takeDeploymentNumber(id: number): number {
      return (nextDeployment.get(id) as { number: number }).number
    },
  }
}

type VarsChange = Pick<ProjectChange, 'envVars' | 'envScopes' | 'lockedVars'>

const columnOf: Record<Exclude<keyof ProjectChange, 'envScopes' | 'lockedVars'>, string> = {
  displayName: 'display_name',
  startCommand: 'start_command',
  port: 'port',
  envVars: 'env_vars',
  status: 'status',
  asleepAt: 'asleep_at',
  wakeProblem: 'wake_problem',
  deployBranch: 'deploy_branch',
  healthPath: 'health_path',
  bootTimeoutMs: 'boot_timeout_ms',
  memoryLimitMb: 'memory_limit_mb',
  keepReleases: 'keep_releases',
  privateModules: 'private_modules',
  currentRelease: 'current_release',
  processes: 'processes',
  overlapWorkers: 'overlap_workers',
  settings: 'settings',
}

function toColumn(value: unknown): string | number | null {
  if (value === null) return null
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'object') return JSON.stringify(value)
  return value as string | number
}

interface RawProject {
  id: number
  name: string
  display_name: string
  path: string
  start_command: string
  port: number | null
  env_vars: string | null
  status: ProjectStatus
  asleep_at: string | null
  wake_problem: string | null
  created_at: string
  updated_at: string
  deploy_branch: string | null
  health_path: string | null
  boot_timeout_ms: number
  memory_limit_mb: number | null
  keep_releases: number | null
  private_modules: number
  current_release: number | null
  processes: string
  overlap_workers: number
  settings: string
  preview_of: number | null
  preview_branch: string | null
  preview_vars: string
  preview_used_at: string | null
  repository: string | null
}

function projectOf(row: RawProject, vault: Vault): ProjectRow {
  return Object.assign(vault.lazily(row.id, row.env_vars), {
    id: row.id,
    name: row.name,
    displayName: row.display_name,
    path: row.path,
    startCommand: row.start_command,
    port: row.port,
    status: row.status,
    asleepAt: row.asleep_at,
    wakeProblem: row.wake_problem,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    deployBranch: row.deploy_branch,
    healthPath: row.health_path,
    bootTimeoutMs: row.boot_timeout_ms,
    memoryLimitMb: row.memory_limit_mb,
    keepReleases: row.keep_releases,
    privateModules: row.private_modules === 1,
    currentRelease: row.current_release,
    processes: JSON.parse(row.processes) as Record<string, number>,
    overlapWorkers: row.overlap_workers === 1,
    settings: readSettings(JSON.parse(row.settings)),
    repository: row.repository ?? row.name,
    preview: previewIn(row),
  })
}

function previewIn(row: RawProject): PreviewOf | null {
  if (row.preview_of === null) return null
  return {
    parent: row.preview_of,
    branch: row.preview_branch ?? '',
    ownVars: JSON.parse(row.preview_vars) as string[],
    usedAt: row.preview_used_at ?? row.created_at,
  }
}
