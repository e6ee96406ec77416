import type { Delivery, DeliveryResult } from '../domain/remote.ts'
import type { Db } from './database.ts'

export interface NewDelivery {
  readonly projectId: number
  /** SHA-256 of what was signed. */
  readonly digest: string
  /** How the sender calls it. */
  readonly delivery: string | null
  readonly provider: string
  readonly event: string
  readonly ref: string | null
}

export interface DeliveryOutcome {
  readonly result: DeliveryResult
  readonly reason?: string | null
  readonly deployment?: number | null
}

export type HookDeliveries = ReturnType<typeof createHookDeliveries>

export function createHookDeliveries(db: Db, now: () => string) {
  const insert = db.prepare(`
    INSERT INTO hook_deliveries (project_id, digest, delivery, provider, event, ref, result, received_at)
    SELECT @projectId, @digest, @delivery, @provider, @event, @ref, 'ignored', @now
    WHERE NOT EXISTS (SELECT 1 FROM hook_deliveries WHERE project_id = @projectId AND delivery = @delivery)
    ON CONFLICT DO NOTHING`)
  const finish = db.prepare(
    'UPDATE hook_deliveries SET result = @result, reason = @reason, deployment = @deployment WHERE id = @id',
  )
  const forget = db.prepare('DELETE FROM hook_deliveries WHERE id = ?')
  const list = db.prepare('SELECT * FROM hook_deliveries WHERE project_id = ? ORDER BY id DESC LIMIT ?')
  const unfinished = "result = 'ignored' AND reason IS NULL"
  const pushesUnfinished = db.prepare(
    `SELECT project_id AS projectId, ref FROM hook_deliveries WHERE event = 'push' AND ${unfinished}`,
  )
  const forgetUnfinished = db.prepare(`DELETE FROM hook_deliveries WHERE ${unfinished}`)
  const began = db.prepare('SELECT id FROM hook_deliveries WHERE project_id = ? AND deployment = ?').pluck()
  const follow = db.prepare(
    'UPDATE hook_deliveries SET deployment = ? WHERE project_id = ? AND deployment = ?',
  )
  const prune = db.prepare('DELETE FROM hook_deliveries WHERE received_at < ?')
  return {
    /** Null: the same was delivered before. */
    create(delivery: NewDelivery): number | null {
      const { changes, lastInsertRowid } = insert.run({ ...delivery, now: now() })
      return changes === 0 ? null : Number(lastInsertRowid)
    },
    finish(id: number, { result, reason = null, deployment = null }: DeliveryOutcome): void {
      finish.run({ id, result, reason, deployment })
    },
    /** It could not be acted on: the sender may try again. */
    forget(id: number): void {
      forget.run(id)
    },
    /** At start: pushes that a server that was killed had taken and not acted on. */
    pushesUnfinished: () => pushesUnfinished.all() as { readonly projectId: number; readonly ref: string }[],
    /** Their senders got no answer, and may try again. */
    forgetUnfinished(): void {
      forgetUnfinished.run()
    },
    /** Was this deployment begun, or joined, by a delivery? */
    hasBegun: (projectId: number, deployment: number): boolean =>
      began.get(projectId, deployment) !== undefined,
    /** What became of a delivery is to be seen at another deployment. */
    follow(projectId: number, from: number, to: number): void {
      follow.run(to, projectId, from)
    },
    /** Newest first. */
    list(projectId: number, limit: number): Delivery[] {
      return (list.all(projectId, limit) as RawDelivery[]).map(toDelivery)
    },
    prune(before: string): void {
      prune.run(before)
    },
  }
}

interface RawDelivery {
  id: number
  provider: string
  event: string
  ref: string | null
  result: DeliveryResult
  reason: string | null
  deployment: number | null
  received_at: string
}

function toDelivery(row: RawDelivery): Delivery {
  const { id, provider, event, ref, result, reason, deployment } = row
  return { id, provider, event, ref, result, reason, deployment, receivedAt: row.received_at }
}
