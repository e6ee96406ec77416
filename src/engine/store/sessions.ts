import type { Db } from './database.ts'

export type SessionKind = 'browser' | 'api' | 'cli'

export interface NewSession {
  /** The `sid` of its JWT. Nobody is shown it. */
  readonly id: string
  readonly userId: number
  readonly kind: SessionKind
  /** What a command line calls itself. */
  readonly name: string
  readonly address: string
  readonly userAgent: string
  readonly expiresAt: string
}

export interface SessionRow {
  /** What people call it by. */
  readonly number: number
  readonly id: string
  readonly userId: number
  readonly kind: SessionKind
  readonly name: string
  readonly address: string
  readonly userAgent: string
  readonly createdAt: string
  readonly expiresAt: string
  readonly lastSeenAt: string
}

const columns = `number, id, user_id AS userId, kind, name, address, user_agent AS userAgent,
  created_at AS createdAt, expires_at AS expiresAt, last_seen_at AS lastSeenAt`

/** Who is signed in, from where and since when. */
export function createSessions(db: Db, now: () => string) {
  const insert = db.prepare(`
    INSERT INTO sessions (id, user_id, kind, name, address, user_agent, created_at, expires_at, last_seen_at)
    VALUES (@id, @userId, @kind, @name, @address, @userAgent, @now, @expiresAt, @now)`)
  const find = db.prepare(`SELECT ${columns} FROM sessions WHERE id = ? AND expires_at > ?`)
  const ofUser = db.prepare(
    `SELECT ${columns} FROM sessions WHERE user_id = ? AND expires_at > ? ORDER BY number DESC`,
  )
  const seen = db.prepare('UPDATE sessions SET last_seen_at = ? WHERE number = ?')
  const end = db.prepare('DELETE FROM sessions WHERE id = ?')
  const endOthers = db.prepare('DELETE FROM sessions WHERE user_id = ? AND id <> ?')
  const purge = db.prepare('DELETE FROM sessions WHERE expires_at <= ?')
  return {
    start(session: NewSession): void {
      purge.run(now())
      insert.run({ ...session, now: now() })
    },
    /** Null when it has ended or expired. */
    find: (id: string): SessionRow | null => (find.get(id, now()) as SessionRow | undefined) ?? null,
    /** Newest first. */
    ofUser: (userId: number): SessionRow[] => ofUser.all(userId, now()) as SessionRow[],
    /** Notes the use, to the minute: a busy page must not write for every request. */
    noteUse({ number, lastSeenAt }: SessionRow): void {
      const at = now()
      if (lastSeenAt.slice(0, 16) !== at.slice(0, 16)) seen.run(at, number)
    },
    end: (id: string): void => void end.run(id),
    endOthers: (userId: number, keep: string): number => endOthers.run(userId, keep).changes,
  }
}
