import type { Db } from './database.ts'

export type Role = 'admin' | 'member'
export type TokenScope = 'push' | 'read' | 'admin'

export interface UserRow {
  readonly id: number
  readonly username: string
  /** bcrypt */
  readonly password: string
  readonly role: Role
}

export interface TokenRow {
  readonly id: number
  readonly userId: number
  readonly projectId: number | null
  readonly name: string
  readonly scope: TokenScope
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly lastUsedAt: string | null
}

export type Accounts = ReturnType<typeof createAccounts>

const tokenColumns = `id, user_id AS userId, project_id AS projectId, name, scope, created_at AS createdAt,
  expires_at AS expiresAt, last_used_at AS lastUsedAt`

/** Users, their sessions and tokens, and how often signing in failed. */
export function createAccounts(db: Db, now: () => string) {
  const insertUser = db.prepare(
    'INSERT INTO users (username, password, role, created_at) VALUES (?, ?, ?, ?)',
  )
  const userByName = db.prepare('SELECT id, username, password, role FROM users WHERE username = ?')
  const userById = db.prepare('SELECT id, username, password, role FROM users WHERE id = ?')
  const countUsers = db.prepare('SELECT count(*) FROM users').pluck()
  const setPassword = db.prepare('UPDATE users SET password = ? WHERE id = ?')
  const insertSession = db.prepare(
    'INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)',
  )
  const session = db.prepare('SELECT user_id FROM sessions WHERE id = ? AND expires_at > ?').pluck()
  const endSession = db.prepare('DELETE FROM sessions WHERE id = ?')
  const endSessions = db.prepare('DELETE FROM sessions WHERE user_id = ? AND id <> ?')
  const purgeSessions = db.prepare('DELETE FROM sessions WHERE expires_at <= ?')
  const insertToken = db.prepare(`
    INSERT INTO tokens (user_id, project_id, name, hash, scope, created_at, expires_at)
    VALUES (@userId, @projectId, @name, @hash, @scope, @now, @expiresAt)`)
  const tokenByHash = db.prepare(
    `SELECT ${tokenColumns} FROM tokens WHERE hash = ? AND (expires_at IS NULL OR expires_at > ?)`,
  )
  const tokensOf = db.prepare(`SELECT ${tokenColumns} FROM tokens WHERE user_id = ? ORDER BY id`)
  const removeToken = db.prepare('DELETE FROM tokens WHERE id = ? AND user_id = ?')
  const useToken = db.prepare('UPDATE tokens SET last_used_at = ? WHERE id = ?')
  const failure = db.prepare(
    'SELECT failures, blocked_until AS blockedUntil FROM login_failures WHERE subject = ?',
  )
  const putFailure = db.prepare(`
    INSERT INTO login_failures (subject, failures, blocked_until) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET failures = excluded.failures, blocked_until = excluded.blocked_until`)
  const clearFailure = db.prepare('DELETE FROM login_failures WHERE subject = ?')
  return {
    hasUsers: (): boolean => (countUsers.get() as number) > 0,
    /** Creates the first user; null when somebody was faster. */
    createFirstUser: db.transaction((username: string, password: string): UserRow | null => {
      if ((countUsers.get() as number) > 0) return null
      const { lastInsertRowid } = insertUser.run(username, password, 'admin', now())
      return userById.get(lastInsertRowid) as UserRow
    }).immediate,
    findUser: (username: string): UserRow | null => (userByName.get(username) as UserRow | undefined) ?? null,
    user: (id: number): UserRow | null => (userById.get(id) as UserRow | undefined) ?? null,
    /** Sets the password and ends every other session of the user. */
    changePassword: db.transaction((userId: number, password: string, keepSession: string): void => {
      setPassword.run(password, userId)
      endSessions.run(userId, keepSession)
    }),
    startSession(id: string, userId: number, expiresAt: string): void {
      purgeSessions.run(now())
      insertSession.run(id, userId, now(), expiresAt)
    },
    /** The user of a session that has neither ended nor expired. */
    sessionUser(id: string): UserRow | null {
      const userId = session.get(id, now()) as number | undefined
      return userId === undefined ? null : this.user(userId)
    },
    endSession: (id: string): void => void endSession.run(id),
    createToken(token: Omit<TokenRow, 'id' | 'createdAt' | 'lastUsedAt'> & { hash: string }): number {
      return Number(insertToken.run({ ...token, now: now() }).lastInsertRowid)
    },
    findToken: (hash: string): TokenRow | null =>
      (tokenByHash.get(hash, now()) as TokenRow | undefined) ?? null,
    tokensOf: (userId: number): TokenRow[] => tokensOf.all(userId) as TokenRow[],
    removeToken: (id: number, userId: number): boolean => removeToken.run(id, userId).changes > 0,
    /** Notes the use, to the minute: a busy token must not write for every request. */
    noteTokenUse(token: TokenRow): void {
      const at = now()
      if (token.lastUsedAt?.slice(0, 16) !== at.slice(0, 16)) useToken.run(at, token.id)
    },
    failures(subject: string): { failures: number; blockedUntil: string } {
      const row = failure.get(subject) as { failures: number; blockedUntil: string } | undefined
      return row ?? { failures: 0, blockedUntil: '' }
    },
    putFailures: (subject: string, failures: number, blockedUntil: string): void =>
      void putFailure.run(subject, failures, blockedUntil),
    clearFailures: (subject: string): void => void clearFailure.run(subject),
  }
}
