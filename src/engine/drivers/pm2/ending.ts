import { rm } from 'node:fs/promises'
import type { InOrder } from '../../in-order.ts'
import {
  isAlive,
  type ProcessRow,
  processTable,
  signalAll,
  ticksSinceBoot,
  treeOf,
  waitUntilGone,
} from '../../processes.ts'
import { killGroup } from '../../shell.ts'
import type { Connection } from './connection.ts'
import { ownership } from './ownership.ts'
import { type Entry, listEntries } from './records.ts'

/** Ending one entry of PM2's list with everything it has started. */

export interface EndingParts {
  readonly connection: Connection
  readonly inOrder: InOrder
  readonly daemonPid: () => number | null
}

/** PM2 hands the ids of a list that became empty out again, also while a start is under way: one at a time. */
export const listChanges = 'changes of the list'

/** How much longer than the grace time the daemon may take, ms. */
const slackMs = 10_000
const sweepRounds = 5

/** Carries out work while nothing of the project is started. */
export type Undisturbed = <T>(work: () => Promise<T>) => Promise<T>

const asItIs: Undisturbed = (work) => work()

/**
 * SIGTERM to the whole tree, SIGKILL after `graceMs`; then the entry is removed, and with it whatever left
 * the tree, or was started in the very moment of its end. A process that is just being started could be taken for one
 * of those: so whose they are is looked up `undisturbed`, and the grace time is nobody's.
 */
export async function endEntry(
  parts: EndingParts,
  entry: Entry,
  graceMs: number,
  undisturbed = asItIs,
): Promise<void> {
  const { members, stopped, unseen } = await undisturbed(() => beginToEnd(parts, entry, graceMs))
  await endMembers(members, entry.pid, graceMs)
  await stopped
  if (unseen && entry.pid) killGroup(entry.pid, 'SIGKILL')
  await undisturbed(() => remove(parts, entry))
}

/** What belongs to it, and its end asked for. `unseen`: processes cannot be looked up here. */
async function beginToEnd({ connection, daemonPid }: EndingParts, entry: Entry, graceMs: number) {
  // The processes first, then the list: whatever is in the first and not in the second is nobody's.
  const table = processTable()
  const entries = await listEntries(connection)
  const members = await ownership(table, entries, daemonPid()).of(entry)
  const stopped = connection.call('stopProcessId', [entry.id], graceMs + slackMs)
  stopped.catch(() => {})
  // Calls are taken up in order: when this one is answered, the end of the process starts no new one.
  await connection.call('ping', [{}])
  return { members, stopped, unseen: table.size === 0 }
}

async function remove(parts: EndingParts, entry: Entry): Promise<void> {
  await parts.inOrder(listChanges, () => parts.connection.call('deleteProcessId', [entry.id]))
  await sweep(parts, entry)
  if (entry.kept) await rm(entry.kept.script, { force: true })
}

/** PM2 signals the first process itself: a second SIGTERM means "at once" to many programs. */
async function endMembers(members: readonly ProcessRow[], first: number | null, graceMs: number) {
  signalAll(
    members.filter((member) => member.pid !== first),
    'SIGTERM',
  )
  const stubborn = await waitUntilGone(members, graceMs)
  signalAll(stubborn, 'SIGKILL')
  await waitUntilGone(stubborn, 2_000)
}

async function sweep(parts: EndingParts, entry: Entry) {
  if (ticksSinceBoot() === 0) return
  for (let round = 0; round < sweepRounds; round++) {
    const table = processTable()
    const entries = await listEntries(parts.connection)
    // Its first process is dead. Who has its pid now is a stranger, and no session of that number is left.
    const session = entry.pid && !table.has(entry.pid) ? treeOf(table, entry.pid) : []
    const strays = await ownership(table, entries, parts.daemonPid()).of({ ...entry, pid: null })
    const left = [...session, ...strays].filter(isAlive)
    if (left.length === 0) return
    signalAll(
      left.flatMap((row) => treeOf(table, row.pid)),
      'SIGKILL',
    )
    await waitUntilGone(left, 1_000)
  }
}
