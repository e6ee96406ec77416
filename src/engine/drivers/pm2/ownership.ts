import { environmentOf, type ProcessRow, type ProcessTable, treeOf } from '../../processes.ts'
import { type Entry, type Kept, keptIn, type Marks } from './records.ts'

/**
 * Which processes belong to an entry of PM2's list. Those of its tree and session always do. One that left
 * both (a daemon of its own) is known by its environment; but two generations of one release carry the same
 * marks, so it only counts when it cannot be the other's: by its port, or because it is older than the other.
 */
export interface Ownership {
  /** Tree, session and marked strays of the entry. */
  of(entry: Entry): Promise<readonly ProcessRow[]>
  /** Pids in trees and sessions of any entry. */
  readonly attached: ReadonlySet<number>
}

export function ownership(
  table: ProcessTable,
  entries: readonly Entry[],
  daemonPid: number | null,
): Ownership {
  const trees = new Map(entries.map((entry) => [entry, entry.pid ? treeOf(table, entry.pid) : []]))
  const attached = new Set([...trees.values()].flat().map((row) => row.pid))
  const environments = new Map<number, ReturnType<typeof environmentOf>>()
  const look = (pid: number) => {
    const found = environments.get(pid) ?? declaredBy(pid)
    environments.set(pid, found)
    return found
  }
  return {
    attached,
    of: async (entry) => {
      const tree = trees.get(entry) ?? (entry.pid ? treeOf(table, entry.pid) : [])
      const inTree = new Set(tree.map((row) => row.pid))
      const others = entries.filter((other) => other.name !== entry.name)
      const strays: ProcessRow[] = []
      for (const row of table.values()) {
        if (inTree.has(row.pid) || attached.has(row.pid) || !entry.kept) continue
        if (await isStrayOf(row, entry.kept, others, daemonPid, look)) strays.push(row)
      }
      return [...tree, ...strays]
    },
  }
}

/** Every process of the machine that carries marks of this home, whoever owns it. */
export async function markedProcesses(
  table: ProcessTable,
  isMarked: (environment: ReadonlyMap<string, string>) => boolean,
): Promise<readonly ProcessRow[]> {
  const rows = [...table.values()].filter((row) => row.pid !== process.pid)
  const environments = await Promise.all(rows.map((row) => declaredBy(row.pid)))
  return rows.filter((_, index) => {
    const environment = environments[index]
    return environment ? isMarked(environment) : false
  })
}

/** Its environment; of a worker of the cluster mode, which gets PM2's record in one variable, the marks in it. */
async function declaredBy(pid: number): ReturnType<typeof environmentOf> {
  const environment = await environmentOf(pid)
  const record = environment?.get('pm2_env')
  if (!environment || record === undefined) return environment
  const { marks, port } = keptIn(record) ?? {}
  const told = Object.entries({ ...marks, ...(port ? { PORT: String(port) } : {}) })
  return new Map([...environment, ...told])
}

async function isStrayOf(
  row: ProcessRow,
  kept: Kept,
  others: readonly Entry[],
  daemonPid: number | null,
  look: typeof environmentOf,
): Promise<boolean> {
  if (row.start < kept.since || Object.keys(kept.marks).length === 0) return false
  const environment = await look(row.pid)
  if (!environment || !carries(environment, kept.marks)) return false
  const rivals = others.flatMap((other) =>
    other.kept && sameMarks(other.kept.marks, kept.marks) ? other.kept : [],
  )
  // Started by the daemon and not in its list: a restart that crossed with the end of its entry.
  if (rivals.length === 0 || (row.parent === daemonPid && row.session === row.pid)) return true
  const port = environment.get('PORT')
  const isMine = kept.port !== null && port === String(kept.port)
  const isTheirs = (rival: Kept) => rival.port !== null && port === String(rival.port)
  return isMine || rivals.every((rival) => row.start < rival.since && !isTheirs(rival))
}

function carries(environment: ReadonlyMap<string, string>, marks: Marks): boolean {
  return Object.entries(marks).every(([key, value]) => environment.get(key) === value)
}

function sameMarks(one: Marks, other: Marks): boolean {
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key])
}
