import { type Comparison, readComparison } from '../domain/comparison.ts'
import type { Deployment, DeploymentStatus, Step } from '../domain/deployment.ts'
import type { SourceKind } from '../ports.ts'
import type { Db } from './database.ts'

export interface NewDeployment {
  readonly projectId: number
  readonly number: number
  readonly source: Deployment['source']
  readonly by: string
  /** `queued` while another one of the project is under way. */
  readonly status?: 'queued' | 'running'
}

export interface Outcome {
  readonly status: DeploymentStatus
  readonly release?: number
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string | null }
}

export interface DeploymentsPage {
  /** Numbers of projects; null: all. */
  readonly projects: readonly number[] | null
  readonly status?: DeploymentStatus | undefined
  readonly before?: number | undefined
  readonly limit: number
}

export type Deployments = ReturnType<typeof createDeployments>

export function createDeployments(db: Db, now: () => string) {
  const insert = db.prepare(`
    INSERT INTO deployments (project_id, number, status, source_kind, revision, message, requested_by, deployed_at)
    VALUES (@projectId, @number, @status, @kind, @revision, @message, @by, @now)`)
  const finish = db.prepare(`
    UPDATE deployments SET status = @status, release = @release, version = @version, notes = @notes,
      error_code = @code, error_message = @message, error_hint = @hint, finished_at = @now
    WHERE id = @id`)
  const setStatus = db.prepare('UPDATE deployments SET status = ? WHERE id = ?')
  const retire = db.prepare(
    `UPDATE deployments SET status = 'retired' WHERE project_id = ? AND status = 'live'`,
  )
  const setSource = db.prepare(
    'UPDATE deployments SET source_kind = @kind, revision = @revision, message = @message WHERE id = @id',
  )
  const setComparison = db.prepare('UPDATE deployments SET comparison = ? WHERE id = ?')
  const watched = db.prepare(
    `SELECT * FROM deployments WHERE comparison LIKE '{"state":"watching"%' ORDER BY id`,
  )
  const switchedBack = db.prepare(`
    SELECT bad.* FROM deployments live JOIN deployments bad
      ON bad.project_id = live.project_id AND bad.comparison ->> 'switchedBackBy' = live.number
    WHERE live.project_id = ? AND live.status = 'live'`)
  const byId = db.prepare('SELECT * FROM deployments WHERE id = ?')
  const byNumber = db.prepare('SELECT * FROM deployments WHERE project_id = ? AND number = ?')
  const page = db.prepare(`
    SELECT * FROM deployments WHERE project_id = ? AND number < ? ORDER BY number DESC LIMIT ?`)
  const newestOfEach = db.prepare(`
    SELECT d.project_id AS projectId, d.number, d.status, d.deployed_at AS startedAt
    FROM projects p JOIN deployments d ON d.project_id = p.id AND d.number = p.last_deployment`)
  const after = db.prepare('SELECT * FROM deployments WHERE id > ? ORDER BY id LIMIT 50')
  const newestId = db.prepare('SELECT max(id) FROM deployments').pluck()
  const unfinished = db.prepare(`SELECT * FROM deployments WHERE status IN ('queued', 'running') ORDER BY id`)
  const busy = db.prepare(
    `SELECT 1 FROM deployments WHERE project_id = ? AND status IN ('queued', 'running')`,
  )
  const busyProjects = db
    .prepare(`SELECT DISTINCT project_id FROM deployments WHERE status IN ('queued', 'running')`)
    .pluck()
  const putStep = db.prepare(`
    INSERT INTO deployment_steps (deployment_id, position, name, status, ms, note)
    VALUES (@id, @position, @name, @status, @ms, @note)
    ON CONFLICT DO UPDATE SET status = excluded.status, ms = excluded.ms, note = excluded.note`)
  const steps = db.prepare(
    'SELECT name, status, ms, note FROM deployment_steps WHERE deployment_id = ? ORDER BY position',
  )
  const stepsOfAll = db.prepare(`
    SELECT deployment_id AS id, name, status, ms, note FROM deployment_steps
    WHERE deployment_id IN (SELECT value FROM json_each(?)) ORDER BY deployment_id, position`)
  const pageOfAll = db.prepare(`
    SELECT * FROM deployments WHERE id < @before
      AND (@projects IS NULL OR project_id IN (SELECT value FROM json_each(@projects)))
    ORDER BY id DESC LIMIT @limit`)
  const pageOfStatus = db.prepare(`
    SELECT * FROM deployments WHERE status = @status AND id < @before
      AND (@projects IS NULL OR project_id IN (SELECT value FROM json_each(@projects)))
    ORDER BY id DESC LIMIT @limit`)
  const counts = db.prepare(`
    SELECT projects.name AS project, found.status, found.count
    FROM (SELECT project_id, status, count(*) AS count FROM deployments GROUP BY project_id, status) found
    JOIN projects ON projects.id = found.project_id ORDER BY projects.name, found.status`)
  const failSteps = db.prepare(
    `UPDATE deployment_steps SET status = 'failed' WHERE deployment_id = ? AND status = 'running'`,
  )
  /** With the steps of all of them from one query. */
  const toDeployments = (rows: readonly RawDeployment[]): Deployment[] => {
    const found = stepsOfAll.all(JSON.stringify(rows.map(({ id }) => id))) as (Step & { id: number })[]
    const byDeployment = new Map<number, Step[]>(rows.map(({ id }) => [id, []]))
    for (const { id, ...step } of found) byDeployment.get(id)?.push(step)
    return rows.map((row) => toDeployment(row, byDeployment.get(row.id)))
  }
  const toDeployment = (row: RawDeployment, ofRow = steps.all(row.id) as Step[]): Deployment => ({
    id: row.id,
    projectId: row.project_id,
    number: row.number,
    status: row.status,
    source: { kind: row.source_kind, revision: row.revision, message: row.message },
    release: row.release,
    startedAt: row.deployed_at,
    finishedAt: row.finished_at,
    steps: ofRow,
    error: row.error_code
      ? { code: row.error_code, message: row.error_message ?? '', hint: row.error_hint }
      : null,
    by: row.requested_by,
    comparison: readComparison(row.comparison),
  })
  return {
    create(deployment: NewDeployment): number {
      const { source, ...row } = deployment
      return Number(insert.run({ status: 'running', ...row, ...source, now: now() }).lastInsertRowid)
    },
    /** Ends a deployment; a step that was under way has failed with it. */
    finish(id: number, outcome: Outcome): void {
      if (outcome.error) failSteps.run(id)
      finish.run({
        id,
        status: outcome.status,
        release: outcome.release ?? null,
        version: outcome.release === undefined ? null : `v${outcome.release}`,
        notes: outcome.error?.message ?? null,
        code: outcome.error?.code ?? null,
        message: outcome.error?.message ?? null,
        hint: outcome.error?.hint ?? null,
        now: now(),
      })
    },
    setStatus(id: number, status: DeploymentStatus): void {
      setStatus.run(status, id)
    },
    /** The one that was live so far has been replaced. */
    retireLive(projectId: number): void {
      retire.run(projectId)
    },
    putStep(id: number, position: number, step: Step): void {
      putStep.run({ id, position, ...step })
    },
    /** What it really deploys, where that is only known with the turn. */
    setSource(id: number, source: Deployment['source']): void {
      setSource.run({ id, ...source })
    },
    get(id: number): Deployment | null {
      const row = byId.get(id) as RawDeployment | undefined
      return row ? toDeployment(row) : null
    },
    find(projectId: number, number: number): Deployment | null {
      const row = byNumber.get(projectId, number) as RawDeployment | undefined
      return row ? toDeployment(row) : null
    },
    /** Newest first. */
    list(projectId: number, { before = Number.MAX_SAFE_INTEGER, limit = 50 } = {}): Deployment[] {
      return toDeployments(page.all(projectId, before, limit) as RawDeployment[])
    },
    /** Of many projects (null: all), newest first; `before` is the id of the last one of the page before. */
    listAll({ projects, status, before = Number.MAX_SAFE_INTEGER, limit }: DeploymentsPage): Deployment[] {
      const values = { status, before, limit, projects: projects && JSON.stringify(projects) }
      const rows = status === undefined ? pageOfAll.all(values) : pageOfStatus.all(values)
      return toDeployments(rows as RawDeployment[])
    },
    /** How many by project and status. */
    counts(): { project: string; status: DeploymentStatus; count: number }[] {
      return counts.all() as { project: string; status: DeploymentStatus; count: number }[]
    },
    /** The last one of every project, without its steps, in one query. */
    newestOfEach(): NewestDeployment[] {
      return newestOfEach.all() as NewestDeployment[]
    },
    /** Those that began after the one with this id, of any project, oldest first; 50 at most. */
    after(id: number): Deployment[] {
      return toDeployments(after.all(id) as RawDeployment[])
    },
    /** 0 where there is none. */
    newestId(): number {
      return (newestId.get() as number | null) ?? 0
    },
    setComparison(id: number, comparison: Comparison): void {
      setComparison.run(JSON.stringify(comparison), id)
    },
    /** Those whose release is still in its first minute. */
    watched(): Deployment[] {
      return toDeployments(watched.all() as RawDeployment[])
    },
    /** The one that the live deployment was brought back in place of; null: it was not. */
    switchedBack(projectId: number): Deployment | null {
      const row = switchedBack.get(projectId) as RawDeployment | undefined
      return row ? toDeployment(row) : null
    },
    unfinished(): Deployment[] {
      return toDeployments(unfinished.all() as RawDeployment[])
    },
    isBusy(projectId: number): boolean {
      return busy.get(projectId) !== undefined
    },
    /** Numbers of the projects that are deploying or about to. */
    busyProjects(): ReadonlySet<number> {
      return new Set(busyProjects.all() as number[])
    },
  }
}

export interface NewestDeployment {
  readonly projectId: number
  readonly number: number
  readonly status: DeploymentStatus
  readonly startedAt: string
}

interface RawDeployment {
  id: number
  project_id: number
  number: number
  status: DeploymentStatus
  source_kind: SourceKind
  revision: string
  message: string | null
  release: number | null
  deployed_at: string
  finished_at: string | null
  error_code: string | null
  error_message: string | null
  error_hint: string | null
  requested_by: string
  comparison: string | null
}
