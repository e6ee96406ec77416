import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface FoundProcess {
  readonly pid: number
  readonly parent: number
  /** The command line, arguments joined by spaces. */
  readonly command: string
  /** Working directory; empty when it cannot be read. */
  readonly cwd: string
}

interface Seen extends FoundProcess {
  readonly belongs: boolean
}

/**
 * Processes that belong to a folder (a home, a test's temporary one): its path stands in their command line or
 * environment, or they work in it; and all their descendants. Never this process itself. Linux.
 *
 * Read at once: there are hundreds, tests look often, and /proc never makes anybody wait.
 */
export async function processesOf(directory: string): Promise<FoundProcess[]> {
  const all = new Map<number, Seen>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const seen = look(pid, directory)
    if (seen) all.set(pid, seen)
  }
  return [...all.values()]
    .filter((one) => belongs(one, all))
    .map(({ pid, parent, command, cwd }) => ({ pid, parent, command, cwd }))
}

/** Running apps: processes whose working directory is a release of the project, or of any. */
export async function appProcesses(home: string, project = ''): Promise<FoundProcess[]> {
  const below = join(home, 'projects', project)
  return (await processesOf(home)).filter(({ cwd }) => cwd === below || cwd.startsWith(`${below}/`))
}

/** Sends SIGKILL to everything that belongs to a folder; returns what it was. */
export async function endProcessesOf(directory: string): Promise<FoundProcess[]> {
  const left = await processesOf(directory)
  for (const { pid } of left) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // already gone
    }
  }
  return left
}

/** Is there a process with this id that is more than a zombie? */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat !== '' && afterName(stat)[0] !== 'Z'
}

/** Has a SIGSTOP put it to rest? */
export async function isStopped(pid: number): Promise<boolean> {
  return afterName(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''))[0] === 'T'
}

/** Proportional memory (PSS: shared pages are split between those who share them), bytes. */
export async function proportionalMemory(pids: readonly number[]): Promise<number> {
  let sum = 0
  for (const pid of pids) {
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')
    sum += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024
  }
  return sum
}

function look(pid: number, directory: string): Seen | undefined {
  const [state, parent] = afterName(text(pid, 'stat'))
  if (parent === undefined || state === 'Z') return undefined
  const commandLine = text(pid, 'cmdline')
  const cwd = workingDirectory(pid)
  const texts = [commandLine, text(pid, 'environ'), `${cwd}/`]
  return {
    pid,
    parent: Number(parent),
    command: commandLine.replaceAll('\0', ' ').trim(),
    cwd,
    belongs: texts.some((one) => mentions(one, directory)),
  }
}

/** Empty when the process is gone, or is none of ours. */
function text(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

function workingDirectory(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return ''
  }
}

/** `/tmp/np-1` is not mentioned by `/tmp/np-12`. */
function mentions(text: string, directory: string): boolean {
  for (let at = text.indexOf(directory); at !== -1; at = text.indexOf(directory, at + 1)) {
    if (!/[\w.-]/.test(text[at + directory.length] ?? '')) return true
  }
  return false
}

function belongs(one: Seen, all: ReadonlyMap<number, Seen>): boolean {
  for (let at: Seen | undefined = one; at; at = all.get(at.parent)) if (at.belongs) return true
  return false
}

/** The fields of /proc/PID/stat behind the name, which may itself hold spaces and brackets. */
function afterName(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
