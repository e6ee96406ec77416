import { typesOf } from '../domain/process.ts'
import type { NewRelease, Release } from '../domain/release.ts'
import { plainPlan, type ReleasePlan, releasePlan, staticCommand } from '../domain/release-plan.ts'
import type { SourceKind } from '../ports.ts'
import type { Db } from './database.ts'
import type { Vault } from './vault.ts'

export type Releases = ReturnType<typeof createReleases>

export function createReleases(db: Db, now: () => string, vault: Vault) {
  const insert = db.prepare(`
    INSERT INTO releases (project_id, number, deployment, slug, source_kind, revision, message, command, workers, env_vars, plan, created_at)
    VALUES (@projectId, @number, @deployment, @slug, @kind, @revision, @message, @command, @workers, @envVars, @plan, @now)`)
  const find = db.prepare('SELECT * FROM releases WHERE project_id = ? AND number = ?')
  const list = db.prepare('SELECT * FROM releases WHERE project_id = ? ORDER BY number DESC')
  // a project has thousands of them in time, each with all its config vars: hardly anybody needs the pruned ones
  const kept = db.prepare(
    'SELECT * FROM releases WHERE project_id = ? AND pruned_at IS NULL ORDER BY number DESC',
  )
  const before = db.prepare(
    'SELECT * FROM releases WHERE project_id = ? AND deployment < ? ORDER BY number DESC LIMIT 1',
  )
  const howOf = db.prepare('SELECT workers, plan, command FROM releases WHERE project_id = ? AND number = ?')
  const current = db.prepare(`
    SELECT projects.id, slug, workers, plan, command FROM projects
    JOIN releases ON releases.project_id = projects.id AND releases.number = projects.current_release`)
  const newest = db.prepare('SELECT max(number) AS number FROM releases WHERE project_id = ?')
  const since = db.prepare(`
    SELECT created_at AS time, number AS release, deployment AS number FROM releases
    WHERE project_id = ? AND created_at >= ? ORDER BY number`)
  const prune = db.prepare(
    'UPDATE releases SET pruned_at = ? WHERE project_id = ? AND slug = ? AND pruned_at IS NULL',
  )
  const toRelease = (row: RawRelease) => releaseOf(row, vault)
  const setBytes = db.prepare('UPDATE releases SET bytes = ? WHERE project_id = ? AND slug = ?')
  const lastBytes = db
    .prepare(
      'SELECT bytes FROM releases WHERE project_id = ? AND bytes IS NOT NULL ORDER BY number DESC LIMIT 1',
    )
    .pluck()
  return {
    /** What the directory of this slug takes on the disk, bytes. */
    setBytes: (projectId: number, slug: number, bytes: number): void =>
      void setBytes.run(bytes, projectId, slug),
    /** Of the newest that was measured; 0 where none was. */
    lastBytes: (projectId: number): number => (lastBytes.get(projectId) as number | undefined) ?? 0,
    create(release: NewRelease): void {
      const { source, envVars, envScopes = {}, workers, plan, ...rest } = release
      const texts = {
        envVars: vault.close(release.projectId, envVars, envScopes),
        workers: JSON.stringify(workers),
        plan: JSON.stringify(plan),
      }
      insert.run({ ...rest, ...source, ...texts, now: now() })
    },
    find(projectId: number, number: number): Release | null {
      const row = find.get(projectId, number) as RawRelease | undefined
      return row ? toRelease(row) : null
    },
    /** How a release is run; as a plain one where there is no such release. */
    how(projectId: number, number: number | null): Omit<HowItRuns, 'slug'> {
      const row = howOf.get(projectId, number) as HowRow | undefined
      return row ? howIn(row) : { types: ['web'], plan: plainPlan }
    },
    /** How every project's current release is run. */
    currentOnes(): Map<number, HowItRuns> {
      const rows = current.all() as (HowRow & { readonly id: number; readonly slug: number })[]
      return new Map(rows.map((row) => [row.id, { ...howIn(row), slug: row.slug }]))
    },
    /** Newest first, pruned ones too. */
    list(projectId: number): Release[] {
      return (list.all(projectId) as RawRelease[]).map(toRelease)
    },
    /** Those whose files are still there, newest first. */
    kept(projectId: number): Release[] {
      return (kept.all(projectId) as RawRelease[]).map(toRelease)
    },
    /** The newest that a deployment before this one made. */
    before(projectId: number, deployment: number): Release | null {
      const row = before.get(projectId, deployment) as RawRelease | undefined
      return row ? toRelease(row) : null
    },
    /** Those that went live at this time or later, oldest first; with the number of their deployment. */
    since(projectId: number, time: string): { time: string; release: number; number: number }[] {
      return since.all(projectId, time) as { time: string; release: number; number: number }[]
    },
    /** When each release went live: number → ISO 8601. */
    liveSince(projectId: number): ReadonlyMap<number, string> {
      return new Map(this.since(projectId, '').map(({ release, time }) => [release, time]))
    },
    /** The number the next release will have. */
    next(projectId: number): number {
      return ((newest.get(projectId) as { number: number | null }).number ?? 0) + 1
    },
    /** Notes that the directory of this slug is gone, for every release that used it. */
    markPruned(projectId: number, slug: number): void {
      prune.run(now(), projectId, slug)
    },
  }
}

/** What is needed of a release by those who look at all projects. */
export interface HowItRuns {
  readonly types: readonly string[]
  readonly plan: ReleasePlan
  readonly slug: number
}

type HowRow = Pick<RawRelease, 'workers' | 'plan' | 'command'>

function howIn(row: HowRow): { types: string[]; plan: ReleasePlan } {
  const plan = planIn(row)
  return { plan, types: typesOf({ workers: JSON.parse(row.workers) as Record<string, string>, plan }) }
}

/** Before there were plans, the command of static files said what they are. */
function planIn({ plan: text, command }: Pick<RawRelease, 'plan' | 'command'>): ReleasePlan {
  const plan = releasePlan.parse(JSON.parse(text))
  return plan.static === null && command === staticCommand('')
    ? { ...plan, static: { directory: '', spa: false } }
    : plan
}

interface RawRelease {
  project_id: number
  number: number
  deployment: number
  slug: number
  source_kind: SourceKind
  revision: string
  message: string | null
  command: string
  workers: string
  env_vars: string
  plan: string
  created_at: string
  pruned_at: string | null
}

function releaseOf(row: RawRelease, vault: Vault): Release {
  return Object.assign(vault.lazily(row.project_id, row.env_vars), {
    projectId: row.project_id,
    number: row.number,
    deployment: row.deployment,
    slug: row.slug,
    source: { kind: row.source_kind, revision: row.revision, message: row.message },
    command: row.command,
    workers: JSON.parse(row.workers) as Record<string, string>,
    plan: planIn(row),
    createdAt: row.created_at,
    prunedAt: row.pruned_at,
  })
}
