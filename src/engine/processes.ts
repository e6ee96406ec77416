import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * What the kernel knows about processes, read from /proc: trees, sessions, environments, listening ports.
 * Without /proc (macOS, BSD) the table is empty, nobody listens anywhere as far as we can tell, and
 * `portBelongsTo` says yes: development works there, the guarantees about strays do not.
 */

export interface ProcessRow {
  readonly pid: number
  readonly parent: number
  /** Pid of the session's leader. */
  readonly session: number
  /** Clock ticks since boot. With the pid it names a process for ever: pids alone are used again. */
  readonly start: number
  /** User and system time together, clock ticks. */
  readonly cpu: number
  /** Whether it has a controlling terminal: somebody sits there, or `script` and its like. */
  readonly terminal: boolean
}

export type ProcessTable = ReadonlyMap<number, ProcessRow>

/** Clock ticks a second in /proc: a constant of the Linux interface, whatever the kernel's own tick. */
export const ticksPerSecond = 100

/**
 * Every living process (zombies are dead). Synchronous on purpose: the files of /proc/<pid>/stat are made in
 * memory, and 100 of them take 4 ms this way and 13 ms through the thread pool.
 */
export function processTable(): ProcessTable {
  const table = new Map<number, ProcessRow>()
  for (const pid of pids(safely(() => readdirSync('/proc'), []))) {
    const row = processRow(pid)
    if (row) table.set(pid, row)
  }
  return table
}

/** One living process, or null. */
export function processRow(pid: number): ProcessRow | null {
  const stat = safely(() => readFileSync(`/proc/${pid}/stat`, 'latin1'), '')
  // The name stands in parentheses and may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields.length < 20 || fields[0] === 'Z' || fields[0] === 'X') return null
  const at = (index: number) => Number(fields[index])
  return { pid, parent: at(1), session: at(3), start: at(19), cpu: at(11) + at(12), terminal: at(4) !== 0 }
}

/** Clock ticks since boot, the clock of `ProcessRow.start`; untouched by changes of the wall clock. */
export function ticksSinceBoot(): number {
  const uptime = safely(() => readFileSync('/proc/uptime', 'latin1'), '0')
  return Math.floor(Number(uptime.split(' ')[0]) * ticksPerSecond)
}

/** Still the same process, and no zombie. */
export function isAlive(process: ProcessRow): boolean {
  return processRow(process.pid)?.start === process.start
}

/**
 * The process, its descendants, and all members of the sessions they lead: a shell that died leaves its
 * children to init, but in its session. `except` cuts off one branch.
 */
export function treeOf(table: ProcessTable, root: number, except?: number): ProcessRow[] {
  const children = new Map<number, ProcessRow[]>()
  const file = (key: number, row: ProcessRow) => {
    const rows = children.get(key)
    if (rows) rows.push(row)
    else children.set(key, [row])
  }
  for (const row of table.values()) {
    file(row.parent, row)
    if (row.session !== row.pid && row.session !== row.parent) file(row.session, row)
  }
  const found = new Map<number, ProcessRow>()
  const self = table.get(root)
  if (self) found.set(root, self)
  const open = [root]
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const child of children.get(pid) ?? []) {
      if (found.has(child.pid) || child.pid === except) continue
      found.set(child.pid, child)
      open.push(child.pid)
    }
  }
  return [...found.values()]
}

/** Pids of everything the process has started and that still lives, without itself. */
export async function descendants(pid: number): Promise<number[]> {
  return treeOf(processTable(), pid)
    .map((row) => row.pid)
    .filter((found) => found !== pid)
}

/** The environment a process was started with; null where it is gone or another user's. */
export async function environmentOf(pid: number): Promise<ReadonlyMap<string, string> | null> {
  const text = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
  if (text === '') return null
  const entries = text.split('\0').filter((entry) => entry.includes('='))
  return new Map(
    entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  )
}

/** TCP ports (IPv4 and IPv6) the process or anything of its tree listens on, ascending. */
export async function listenersOf(pid: number): Promise<number[]> {
  const listening = await listeningSockets(pid)
  const ports = new Set<number>()
  for (const member of treeOf(processTable(), pid)) {
    for (const inode of await socketsOf(member.pid)) {
      const port = listening.get(inode)
      if (port !== undefined) ports.add(port)
    }
  }
  return [...ports].sort((a, b) => a - b)
}

/**
 * Whether something listens on the port, and it is the process or one of its tree. Asks the process itself
 * first, which is nearly always the answer. True where there is no /proc to ask.
 */
export async function portBelongsTo(port: number, pid: number): Promise<boolean> {
  const listening = await listeningSockets(pid)
  const wanted = new Set([...listening].filter(([, open]) => open === port).map(([inode]) => inode))
  if (wanted.size === 0) return ticksSinceBoot() === 0
  const holds = async (holder: number) => (await socketsOf(holder)).some((inode) => wanted.has(inode))
  if (await holds(pid)) return true
  for (const member of await descendants(pid)) {
    if (await holds(member)) return true
  }
  return false
}

/** Pids of the processes that hold a listening socket on the port; empty where nobody does, or none of ours. */
export async function listenersOn(port: number): Promise<number[]> {
  const listening = await listeningSockets('self')
  const wanted = new Set([...listening].filter(([, open]) => open === port).map(([inode]) => inode))
  if (wanted.size === 0) return []
  const found: number[] = []
  for (const pid of processTable().keys()) {
    if ((await socketsOf(pid)).some((inode) => wanted.has(inode))) found.push(pid)
  }
  return found
}

/** Processes that work in this directory or below; symlinks count as where they lead. */
export function processesIn(directory: string): ProcessRow[] {
  const within = (cwd: string) => cwd === directory || cwd.startsWith(`${directory}/`)
  return [...processTable().values()].filter(({ pid }) =>
    within(safely(() => readlinkSync(`/proc/${pid}/cwd`), '')),
  )
}

/** Signals exactly these processes, never a stranger that got one of their pids since. */
export function signalAll(processes: readonly ProcessRow[], signal: NodeJS.Signals): void {
  for (const target of processes) {
    if (isAlive(target)) safely(() => process.kill(target.pid, signal), false)
  }
}

/** Resolves with those still alive after `timeoutMs`, at once when none is left. */
export async function waitUntilGone(
  processes: readonly ProcessRow[],
  timeoutMs: number,
): Promise<ProcessRow[]> {
  const deadline = performance.now() + timeoutMs
  let left = processes.filter(isAlive)
  // Only the parent can wait for a process. Quick at first, as most end at once; never a busy loop.
  for (let pause = 4; left.length > 0 && performance.now() < deadline; pause = Math.min(50, pause * 1.5)) {
    await delay(Math.min(pause, Math.max(1, deadline - performance.now())))
    left = left.filter(isAlive)
  }
  return left
}

/** SIGTERM, up to `graceMs`, SIGKILL, then waits until they are gone. */
export async function endAll(processes: readonly ProcessRow[], graceMs: number): Promise<void> {
  signalAll(processes, 'SIGTERM')
  const stubborn = await waitUntilGone(processes, graceMs)
  signalAll(stubborn, 'SIGKILL')
  await waitUntilGone(stubborn, 2_000)
}

/** Inode of each listening TCP socket in the network namespace of the process → its port. */
async function listeningSockets(pid: number | 'self'): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  const read = (family: string) => readFile(`/proc/${pid}/net/${family}`, 'latin1').catch(() => '')
  // The kernel walks its whole table of sockets for each, some 6 ms: side by side.
  for (const text of await Promise.all([read('tcp'), read('tcp6')])) {
    for (const line of text.split('\n')) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
      if (state !== '0A' || !local || !inode) continue
      found.set(inode, Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16))
    }
  }
  return found
}

async function socketsOf(pid: number): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [] as string[])
  const links = await Promise.all(
    descriptors.map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')),
  )
  return links.filter((link) => link.startsWith('socket:[')).map((link) => link.slice(8, -1))
}

function pids(names: readonly string[]): number[] {
  return names.filter((name) => /^\d+$/.test(name)).map(Number)
}

/** A process may end between any two looks at it, so every single look may fail. */
function safely<T>(look: () => T, otherwise: T): T {
  try {
    return look()
  } catch {
    return otherwise
  }
}
