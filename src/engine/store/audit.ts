import type { AuditEvent, AuditFacts, Who } from '../domain/audit.ts'
import type { Db } from './database.ts'

export interface AuditRow {
  readonly id: number
  readonly at: string
  readonly user: string
  readonly userId: number | null
  readonly address: string
  readonly via: Who['via']
  readonly action: string
  /** Its name at that time. */
  readonly project: string | null
  readonly before: AuditFacts | null
  readonly after: AuditFacts | null
}

export interface AuditQuery {
  readonly limit: number
  /** Only entries with a smaller id: the next page. */
  readonly before?: number | undefined
  readonly project?: string | undefined
  readonly user?: string | undefined
  readonly action?: string | undefined
}

type RawAudit = Omit<AuditRow, 'before' | 'after'> & { before: string | null; after: string | null }

const keptMs = 400 * 86_400_000
const keptRows = 100_000

/** Who did what, when and from where. */
export function createAuditStore(db: Db, now: () => string) {
  const insert = db.prepare(`
    INSERT INTO audit (at, user_id, user, address, via, action, project_id, project, before, after)
    VALUES (@at, @userId, @user, @address, @via, @action, @projectId, @project, @before, @after)`)
  const prune = db.prepare('DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - @rows OR at < @since')
  const columns = 'id, at, user, user_id AS userId, address, via, action, project, before, after'
  return {
    add({ who, action, project, before, after }: AuditEvent): number {
      const row = {
        at: now(),
        userId: who.userId,
        user: who.name,
        address: who.address,
        via: who.via,
        action,
        projectId: project?.id ?? null,
        project: project?.name ?? null,
        before: encode(before),
        after: encode(after),
      }
      return Number(insert.run(row).lastInsertRowid)
    },
    /** Newest first. */
    list({ limit, ...query }: AuditQuery): AuditRow[] {
      const conditions = [
        ...(query.before === undefined ? [] : ['id < @before']),
        ...(query.project === undefined ? [] : ['project = @project']),
        ...(query.user === undefined ? [] : ['user = @user']),
        ...(query.action === undefined ? [] : ["(action = @action OR action LIKE @action || '.%')"]),
      ]
      const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''
      const rows = db
        .prepare(`SELECT ${columns} FROM audit ${where} ORDER BY id DESC LIMIT @limit`)
        .all({ ...query, limit }) as RawAudit[]
      return rows.map((row) => ({ ...row, before: decode(row.before), after: decode(row.after) }))
    },
    /**
     * Keeps the last hundred thousand entries and those of a good year before this time (ms since 1970). Returns how
     * many went.
     */
    prune: (now: number): number =>
      prune.run({ rows: keptRows, since: new Date(now - keptMs).toISOString() }).changes,
  }
}

/** Facts are small; what is not is told by its size alone, so that nobody can fill the disk with a log. */
const mostCharacters = 4_000

function encode(facts: AuditFacts | null | undefined): string | null {
  if (!facts || Object.keys(facts).length === 0) return null
  const text = JSON.stringify(facts)
  return text.length <= mostCharacters ? text : JSON.stringify({ omitted: `${text.length} characters` })
}

function decode(text: string | null): AuditFacts | null {
  return text === null ? null : (JSON.parse(text) as AuditFacts)
}
