import { readFileSync } from 'node:fs'
import { readFile, statfs } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import {
  isAlive,
  type ProcessRow,
  processRow,
  processTable,
  signalAll,
  treeOf,
  waitUntilGone,
} from './processes.ts'

/**
 * Looks at everything that a command has started while it runs: how much memory it takes, how many processes there
 * are, how much room is left on the disk. Limits of the kernel (rlimits) bind a process or a user, never a tree, and
 * root not at all.
 */
export interface TreeLimits {
  readonly memoryBytes: number
  readonly processes: number
  /** Fewer free bytes than this on the disk of that directory are too few. */
  readonly disk: { readonly directory: string; readonly freeBytes: number } | null
}

export type Breach =
  | { readonly of: 'memory'; readonly bytes: number }
  | { readonly of: 'processes'; readonly count: number }
  | { readonly of: 'disk'; readonly freeBytes: number }

export interface TreeWatch {
  /** Ends whatever is left of the tree, and all that was ever seen of it; resolves when nothing is. */
  end(): Promise<void>
}

const everyMs = 500
/** A whole look takes as long as the machine has processes; it never takes more than this part of the time. */
const share = 1 / 25
/** How often the number of tasks on the machine is read, which costs nothing, and how many more are suspicious. */
const [glanceMs, suspicious] = [50, 150]
/** So many are stopped before the first of them is ended. */
const crowd = 50

/** Watches the tree of this process until `end` or the first breach, which it is told. Without /proc: nothing. */
export function watchTree(root: number, limits: TreeLimits, onBreach: (breach: Breach) => void): TreeWatch {
  const seen = new Map<number, ProcessRow>()
  const start = processRow(root)?.start
  const stop = new AbortController()
  const look = (): ProcessRow[] => {
    const table = processTable()
    const self = table.get(root)
    // its session may outlive it; but where a stranger has its pid by now, nothing of that session is left
    const isStranger = self !== undefined && self.start !== start
    const roots = [
      ...(isStranger ? [] : [root]),
      ...[...seen.values()].filter((row) => table.get(row.pid)?.start === row.start),
    ]
    const members = new Map<number, ProcessRow>()
    for (const one of roots) {
      for (const row of treeOf(table, typeof one === 'number' ? one : one.pid)) members.set(row.pid, row)
    }
    seen.clear()
    for (const row of members.values()) seen.set(row.pid, row)
    return [...members.values()]
  }
  const watching = watchOn(look, limits, onBreach, stop.signal)
  return {
    async end() {
      stop.abort()
      await watching
      await endTree(look)
    },
  }
}

async function watchOn(
  look: () => ProcessRow[],
  limits: TreeLimits,
  onBreach: (breach: Breach) => void,
  signal: AbortSignal,
): Promise<void> {
  let next = 0
  let tasks = tasksOfMachine()
  while (!signal.aborted) {
    const began = performance.now()
    if (began >= next || tasksOfMachine() > tasks + suspicious) {
      const members = look()
      tasks = tasksOfMachine()
      const took = performance.now() - began
      next = began + Math.max(everyMs, took / share)
      const breach = await breachOf(members, limits)
      if (signal.aborted) return
      if (breach) return onBreach(breach)
    }
    await pause(glanceMs, undefined, { signal, ref: false }).catch(() => {})
  }
}

async function breachOf(members: readonly ProcessRow[], limits: TreeLimits): Promise<Breach | null> {
  if (members.length > limits.processes) return { of: 'processes', count: members.length }
  const { disk } = limits
  if (disk) {
    const found = await statfs(disk.directory).catch(() => null)
    const freeBytes = found ? found.bavail * found.bsize : disk.freeBytes
    if (freeBytes < disk.freeBytes) return { of: 'disk', freeBytes }
  }
  // shared pages count once for each process here; only when that is too much, it is worth looking closely
  if ((await sum(members, 'status', /^VmRSS:\s+(\d+) kB/m)) <= limits.memoryBytes) return null
  const bytes = await sum(members, 'smaps_rollup', /^Pss:\s+(\d+) kB/m)
  return bytes > limits.memoryBytes ? { of: 'memory', bytes } : null
}

async function sum(members: readonly ProcessRow[], file: string, pattern: RegExp): Promise<number> {
  const read = ({ pid }: ProcessRow) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')
  const texts = await Promise.all(members.map(read))
  return texts.reduce((bytes, text) => bytes + Number(pattern.exec(text)?.[1] ?? 0) * 1024, 0)
}

/** What multiplies is stopped first: a process that is stopped starts no other while its fellows are ended. */
async function endTree(look: () => ProcessRow[]): Promise<void> {
  for (let round = 0; round < 100; round++) {
    const left = look().filter(isAlive)
    if (left.length === 0) return
    let count = 0
    const multiplies = round > 0 || left.length > crowd
    for (let found = left; found.length > count && multiplies; found = look()) {
      count = found.length
      signalAll(found, 'SIGSTOP')
    }
    const all = look()
    signalAll(all, 'SIGKILL')
    await waitUntilGone(all, 1_000)
  }
}

/** All processes and threads of the machine; 0 where nobody tells. */
function tasksOfMachine(): number {
  try {
    return Number(/\/(\d+)/.exec(readFileSync('/proc/loadavg', 'latin1'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
