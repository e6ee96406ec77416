import type { TokenScope } from '../domain/access.ts'
import type { Db } from './database.ts'

export type Role = 'admin' | 'member'

export interface UserRow {
  readonly id: number
  readonly username: string
  /** bcrypt */
  readonly password: string
  readonly role: Role
  readonly createdAt: string
}

export interface TokenRow {
  readonly id: number
  readonly userId: number
  /** Whose it is. */
  readonly username: string
  readonly projectId: number | null
  readonly name: string
  readonly scope: TokenScope
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly lastUsedAt: string | null
}

export type Accounts = ReturnType<typeof createAccounts>

const tokens = `
  SELECT tokens.id, user_id AS userId, username, project_id AS projectId, name, scope,
    tokens.created_at AS createdAt, expires_at AS expiresAt, last_used_at AS lastUsedAt
  FROM tokens JOIN users ON users.id = user_id`

const userColumns = 'id, username, password, role, created_at AS createdAt'

/** Users and their tokens, and how often signing in failed. Sessions are in sessions.ts. */
export function createAccounts(db: Db, now: () => string) {
  const insertUser = db.prepare(
    'INSERT INTO users (username, password, role, created_at) VALUES (?, ?, ?, ?)',
  )
  const userByName = db.prepare(`SELECT ${userColumns} FROM users WHERE username = ?`)
  const userById = db.prepare(`SELECT ${userColumns} FROM users WHERE id = ?`)
  const allUsers = db.prepare(`SELECT ${userColumns} FROM users ORDER BY username`)
  const setRole = db.prepare('UPDATE users SET role = ? WHERE id = ?')
  const removeUser = db.prepare('DELETE FROM users WHERE id = ?')
  const taken = db.prepare('SELECT count(*) FROM users WHERE username = ? COLLATE NOCASE').pluck()
  const otherAdmins = db.prepare("SELECT count(*) FROM users WHERE role = 'admin' AND id <> ?").pluck()
  const countUsers = db.prepare('SELECT count(*) FROM users').pluck()
  const setPassword = db.prepare('UPDATE users SET password = ? WHERE id = ?')
  const insertToken = db.prepare(`
    INSERT INTO tokens (user_id, project_id, name, hash, scope, created_at, expires_at)
    VALUES (@userId, @projectId, @name, @hash, @scope, @now, @expiresAt)`)
  const tokenByHash = db.prepare(`${tokens} WHERE hash = ? AND (expires_at IS NULL OR expires_at > ?)`)
  const tokensOf = db.prepare(`${tokens} WHERE user_id = ? ORDER BY tokens.id`)
  const allTokens = db.prepare(`${tokens} ORDER BY tokens.id`)
  const tokenById = db.prepare(`${tokens} WHERE tokens.id = ?`)
  const removeToken = db.prepare('DELETE FROM tokens WHERE id = ?')
  const useToken = db.prepare('UPDATE tokens SET last_used_at = ? WHERE id = ?')
  const failure = db.prepare(
    'SELECT failures, blocked_until AS blockedUntil FROM login_failures WHERE subject = ?',
  )
  const putFailure = db.prepare(`
    INSERT INTO login_failures (subject, failures, blocked_until) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET failures = excluded.failures, blocked_until = excluded.blocked_until`)
  const clearFailure = db.prepare('DELETE FROM login_failures WHERE subject = ?')
  const purgeFailures = db.prepare('DELETE FROM login_failures WHERE blocked_until < ?')
  return {
    /** Forgets failed sign-ins whose wait was over at that time. Returns how many. */
    purgeFailures: (before: string): number => purgeFailures.run(before).changes,
    hasUsers: (): boolean => (countUsers.get() as number) > 0,
    /** Creates the first user; null when somebody was faster. */
    createFirstUser: db.transaction((username: string, password: string): UserRow | null => {
      if ((countUsers.get() as number) > 0) return null
      const { lastInsertRowid } = insertUser.run(username, password, 'admin', now())
      return userById.get(lastInsertRowid) as UserRow
    }).immediate,
    findUser: (username: string): UserRow | null => (userByName.get(username) as UserRow | undefined) ?? null,
    user: (id: number): UserRow | null => (userById.get(id) as UserRow | undefined) ?? null,
    /** Names that differ by case alone would be taken for each other. */
    isTaken: (username: string): boolean => (taken.get(username) as number) > 0,
    users: (): UserRow[] => allUsers.all() as UserRow[],
    createUser(username: string, password: string, role: Role): UserRow {
      return userById.get(insertUser.run(username, password, role, now()).lastInsertRowid) as UserRow
    },
    setPassword: (userId: number, password: string): void => void setPassword.run(password, userId),
    setRole: (userId: number, role: Role): void => void setRole.run(role, userId),
    removeUser: (userId: number): void => void removeUser.run(userId),
    isLastAdmin(userId: number): boolean {
      return this.user(userId)?.role === 'admin' && (otherAdmins.get(userId) as number) === 0
    },
    createToken(
      token: Omit<TokenRow, 'id' | 'username' | 'createdAt' | 'lastUsedAt'> & { hash: string },
    ): number {
      return Number(insertToken.run({ ...token, now: now() }).lastInsertRowid)
    },
    findToken: (hash: string): TokenRow | null =>
      (tokenByHash.get(hash, now()) as TokenRow | undefined) ?? null,
    tokensOf: (userId: number): TokenRow[] => tokensOf.all(userId) as TokenRow[],
    allTokens: (): TokenRow[] => allTokens.all() as TokenRow[],
    tokenById: (id: number): TokenRow | null => (tokenById.get(id) as TokenRow | undefined) ?? null,
    removeToken: (id: number): boolean => removeToken.run(id).changes > 0,
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
