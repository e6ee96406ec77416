import { sep } from 'node:path'
import { endAll, type ProcessRow, type ProcessTable, processTable, treeOf } from '../../processes.ts'
import { markedProcesses, ownership } from './ownership.ts'
import type { Entry } from './records.ts'

/** Processes of this home that no daemon knows: left behind by a daemon, or a start, that was killed. */

export interface HomeMarks {
  /** Parent of every project's data: an app of this home has its NODEPILOT_DATA_DIR below it. */
  readonly projectsDirectory: string
  /** A service of an earlier NodePilot has its NODEPILOT_SERVICE below it. */
  readonly runDirectory: string
}

/** SIGTERM to SIGKILL for orphans, ms: nobody waits for their answers any more. */
const orphanGraceMs = 3_000

/**
 * Ends them with their trees and returns how many processes that were. `entries` is read after the table of
 * processes was taken. What this server itself has started (builds, one-off commands) is no orphan.
 */
export async function endOrphanProcesses(
  home: HomeMarks,
  entries: () => Promise<readonly Entry[]>,
  daemonPid: number | null,
): Promise<number> {
  const table = processTable()
  const known = await entries()
  const orphans = await findOrphans(home, table, known, daemonPid)
  const all = new Map(orphans.flatMap((row) => treeOf(table, row.pid)).map((row) => [row.pid, row]))
  await endAll([...all.values()], orphanGraceMs)
  return all.size
}

async function findOrphans(
  home: HomeMarks,
  table: ProcessTable,
  known: readonly Entry[],
  daemonPid: number | null,
): Promise<readonly ProcessRow[]> {
  const marked = await markedProcesses(table, (environment) => isOfHome(home, environment))
  const owners = ownership(table, known, daemonPid)
  const owned = new Set(owners.attached)
  for (const entry of known) {
    for (const row of await owners.of(entry)) {
      // A stray older than the life of its instance was left by an earlier life, which crashed.
      const life = entry.pid ? table.get(entry.pid) : undefined
      if (life && row.start >= life.start && row.parent !== daemonPid) owned.add(row.pid)
    }
  }
  for (const row of treeOf(table, process.pid, daemonPid ?? undefined)) owned.add(row.pid)
  return marked.filter((row) => !owned.has(row.pid))
}

function isOfHome(home: HomeMarks, environment: ReadonlyMap<string, string>): boolean {
  const below = (path: string | undefined, folder: string) => path?.startsWith(folder + sep) ?? false
  return (
    below(environment.get('NODEPILOT_DATA_DIR'), home.projectsDirectory) ||
    below(environment.get('NODEPILOT_SERVICE'), home.runDirectory)
  )
}
