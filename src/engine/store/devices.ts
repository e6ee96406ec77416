import type { Db } from './database.ts'

export interface DeviceRow {
  readonly deviceHash: string
  readonly userCode: string
  readonly name: string
  readonly address: string
  readonly userAgent: string
  readonly createdAt: string
  readonly expiresAt: string
  readonly status: 'pending' | 'approved' | 'denied'
  /** Who answered. */
  readonly userId: number | null
}

const columns = `device_hash AS deviceHash, user_code AS userCode, name, address, user_agent AS userAgent,
  created_at AS createdAt, expires_at AS expiresAt, status, user_id AS userId`

/** Command lines that wait to be let in. */
export function createDevices(db: Db, now: () => string) {
  const insert = db.prepare(`
    INSERT INTO device_requests (device_hash, user_code, name, address, user_agent, created_at, expires_at)
    VALUES (@deviceHash, @userCode, @name, @address, @userAgent, @now, @expiresAt)`)
  const byHash = db.prepare(`SELECT ${columns} FROM device_requests WHERE device_hash = ? AND expires_at > ?`)
  const byCode = db.prepare(`SELECT ${columns} FROM device_requests WHERE user_code = ? AND expires_at > ?`)
  const count = db.prepare(
    'SELECT count(*) AS everybody, count(address = ? OR NULL) AS here FROM device_requests',
  )
  const answer = db.prepare(
    "UPDATE device_requests SET status = ?, user_id = ? WHERE user_code = ? AND status = 'pending' AND expires_at > ?",
  )
  const remove = db.prepare('DELETE FROM device_requests WHERE device_hash = ?')
  const purge = db.prepare('DELETE FROM device_requests WHERE expires_at <= ?')
  const removeOf = db.prepare('DELETE FROM device_requests WHERE user_id = ?')
  return {
    create(
      request: Pick<DeviceRow, 'deviceHash' | 'userCode' | 'name' | 'address' | 'userAgent' | 'expiresAt'>,
    ) {
      insert.run({ ...request, now: now() })
    },
    /** How many wait, in all and from one address. */
    waiting(address: string): { readonly everybody: number; readonly here: number } {
      purge.run(now())
      return count.get(address) as { everybody: number; here: number }
    },
    byHash: (hash: string): DeviceRow | null => (byHash.get(hash, now()) as DeviceRow | undefined) ?? null,
    byCode: (code: string): DeviceRow | null => (byCode.get(code, now()) as DeviceRow | undefined) ?? null,
    /** False when somebody answered before, or it is too late. */
    answer: (code: string, status: 'approved' | 'denied', userId: number): boolean =>
      answer.run(status, userId, code, now()).changes > 0,
    /** Those that this user has let in and that have not come for their session yet. */
    removeAnsweredBy: (userId: number): void => void removeOf.run(userId),
    /** True for the one caller that removed it. */
    remove: (hash: string): boolean => remove.run(hash).changes > 0,
  }
}
