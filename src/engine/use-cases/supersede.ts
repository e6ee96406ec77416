import type { AttemptUnderWay, Brings, Context } from '../context.ts'
import { Refusal } from '../domain/refusal.ts'

/**
 * What waits and is overtaken gives way. Newer files (a push, an upload, a ref) take the place of older files and
 * of a redeploy that still wait; a redeploy takes that of an older redeploy alone, for it brings no files of its
 * own. A rollback, config vars and a restart are never superseded: what they bring would be lost without a word.
 * Whatever has begun to be built goes on.
 *
 * The newer one inherits the place among the builds, so that pushing again does not send a project to the end.
 */
export function supersedeOlder(ctx: Context, newer: AttemptUnderWay): void {
  for (const older of ctx.attempts.values()) {
    if (older === newer || older.projectId !== newer.projectId || !older.waiting) continue
    if (older.number > newer.number || !mayTakeOver(newer.brings, older.brings)) continue
    newer.ticket = Math.min(newer.ticket, older.ticket)
    older.controller.abort(superseded(newer))
  }
}

function mayTakeOver(newer: Brings, older: Brings): boolean {
  if (newer === 'files') return older !== null
  return newer === 'current' && older === 'current'
}

function superseded({ number, label }: AttemptUnderWay): Refusal {
  return new Refusal(
    'superseded',
    `deployment ${number} (${label}) is newer and took its place in the queue`,
    {
      hint: 'nothing is left to do: the newer one is deployed instead',
    },
  )
}
