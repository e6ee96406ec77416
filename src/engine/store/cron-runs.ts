import type { CronOutcome, CronRun, CronRunStatus } from '../domain/cron-run.ts'
import type { Db } from './database.ts'

export interface NewCronRun {
  readonly projectId: number
  readonly job: string
  readonly command: string
  readonly by: string
  /** null: by hand. */
  readonly scheduledAt: string | null
}

export interface CronRunsPage {
  readonly job?: string | undefined
  /** Only runs before this one. */
  readonly before?: number | undefined
  readonly limit: number
}

export type CronRuns = ReturnType<typeof createCronRuns>

export function createCronRuns(db: Db, now: () => string) {
  const insert = db.prepare(`
    INSERT INTO cron_runs (project_id, job, command, requested_by, status, scheduled_at, queued_at)
    VALUES (@projectId, @job, @command, @by, 'queued', @scheduledAt, @now)`)
  const begin = db.prepare(
    `UPDATE cron_runs SET status = 'running', release = @release, started_at = @now WHERE id = @id`,
  )
  const finish = db.prepare(`
    UPDATE cron_runs SET status = @status, exit_code = @exitCode, error_code = @code, error_message = @message,
      finished_at = @now
    WHERE id = @id AND finished_at IS NULL`)
  const skip = db.prepare('UPDATE cron_runs SET skipped = skipped + 1 WHERE id = ?')
  const byId = db.prepare('SELECT * FROM cron_runs WHERE project_id = ? AND id = ?')
  const page = db.prepare(`
    SELECT * FROM cron_runs WHERE project_id = @projectId AND id < @before AND (@job IS NULL OR job = @job)
    ORDER BY id DESC LIMIT @limit`)
  const newest = db.prepare(`
    SELECT * FROM cron_runs WHERE id IN (SELECT max(id) FROM cron_runs WHERE project_id = ? GROUP BY job)`)
  const lastEnded = db.prepare(`
    SELECT * FROM cron_runs WHERE id IN (
      SELECT max(id) FROM cron_runs WHERE finished_at IS NOT NULL AND status <> 'cancelled' AND project_id = ?
      GROUP BY job)`)
  const unfinished = db.prepare('SELECT * FROM cron_runs WHERE finished_at IS NULL ORDER BY id')
  const latestTick = db
    .prepare('SELECT max(scheduled_at) FROM cron_runs WHERE id > (SELECT max(id) - 10000 FROM cron_runs)')
    .pluck()
  const beyond = db
    .prepare(`
    DELETE FROM cron_runs WHERE finished_at IS NOT NULL AND id IN (
      SELECT id FROM (
        SELECT id, queued_at, row_number() OVER (PARTITION BY job ORDER BY id DESC) AS place
        FROM cron_runs WHERE project_id = @projectId)
      WHERE place > @keep OR (place > 1 AND queued_at < @olderThan))
    RETURNING id`)
    .pluck()
  return {
    create(run: NewCronRun): number {
      return Number(insert.run({ ...run, now: now() }).lastInsertRowid)
    },
    begin(id: number, release: number): void {
      begin.run({ id, release, now: now() })
    },
    /** One that has ended stays as it is. */
    finish(id: number, { status, exitCode = null, error = null }: CronOutcome): void {
      finish.run({
        id,
        status,
        exitCode,
        code: error?.code ?? null,
        message: error?.message ?? null,
        now: now(),
      })
    },
    /** The schedule came round while it was not over. */
    skip(id: number): void {
      skip.run(id)
    },
    find(projectId: number, id: number): CronRun | null {
      const row = byId.get(projectId, id) as RawRun | undefined
      return row ? toRun(row) : null
    },
    /** Newest first. */
    list(projectId: number, { job, before = Number.MAX_SAFE_INTEGER, limit }: CronRunsPage): CronRun[] {
      return (page.all({ projectId, job: job ?? null, before, limit }) as RawRun[]).map(toRun)
    },
    /** The newest run of each job there ever was, by the job's name. */
    newest(projectId: number): ReadonlyMap<string, CronRun> {
      return new Map((newest.all(projectId) as RawRun[]).map((row) => [row.job, toRun(row)]))
    },
    /** The last one of each job that has ended and was not cancelled. */
    lastEnded(projectId: number): CronRun[] {
      return (lastEnded.all(projectId) as RawRun[]).map(toRun)
    },
    unfinished: (): CronRun[] => (unfinished.all() as RawRun[]).map(toRun),
    /** The newest moment a schedule has been followed at. */
    latestTick: (): string | null => (latestTick.get() as string | null | undefined) ?? null,
    /** Removes all but the newest of each job, and what is too old; the last one of a job stays. Their ids. */
    prune(projectId: number, keep: number, olderThan: string): number[] {
      return beyond.all({ projectId, keep, olderThan }) as number[]
    },
  }
}

interface RawRun {
  id: number
  project_id: number
  job: string
  command: string
  requested_by: string
  status: CronRunStatus
  release: number | null
  scheduled_at: string | null
  queued_at: string
  started_at: string | null
  finished_at: string | null
  exit_code: number | null
  error_code: string | null
  error_message: string | null
  skipped: number
}

function toRun(row: RawRun): CronRun {
  return {
    id: row.id,
    projectId: row.project_id,
    job: row.job,
    command: row.command,
    by: row.requested_by,
    status: row.status,
    release: row.release,
    scheduledAt: row.scheduled_at,
    queuedAt: row.queued_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    exitCode: row.exit_code,
    error: row.error_code ? { code: row.error_code, message: row.error_message ?? '' } : null,
    skipped: row.skipped,
  }
}
