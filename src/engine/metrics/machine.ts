import { readFile, statfs } from 'node:fs/promises'
import os from 'node:os'
import type { MachinePoint } from './point.ts'

export interface MachineNow {
  /** Percent of all cores together; null at the first look. */
  readonly cpu: number | null
  readonly load: readonly number[]
  readonly memory: { readonly totalBytes: number; readonly usedBytes: number }
  /** Of the disk that holds the home. */
  readonly disk: { readonly totalBytes: number; readonly usedBytes: number; readonly freeBytes: number }
  /** All interfaces but loopback, since they came up; null where the system does not tell. */
  readonly network: { readonly rxBytes: number; readonly txBytes: number } | null
}

export interface MachineLook {
  readonly now: MachineNow
  readonly point: MachinePoint
}

/**
 * A reader that remembers its last look. Nothing here starts a process: it is called every few seconds as long
 * as the server lives.
 */
export function createMachineReader(directory: string, clock: () => number): () => Promise<MachineLook> {
  let last: { at: number; cpu: Times; network: MachineNow['network'] } | null = null
  return async () => {
    const at = clock()
    const [disk, network] = await Promise.all([readDisk(directory), readNetwork()])
    const times = cpuTimes()
    const cpu = last && busyPercent(last.cpu, times)
    const memory = { totalBytes: os.totalmem(), usedBytes: os.totalmem() - os.freemem() }
    const load = os.loadavg()
    const passed = last?.network && network ? passedSince(last.network, network) : null
    const ms = last && passed ? Math.max(at - last.at, 1) : 0
    last = { at, cpu: times, network }
    return {
      now: { cpu, load, memory, disk, network },
      point: {
        sums: {
          looks: cpu === null ? 0 : 1,
          cpu: cpu ?? 0,
          memory: cpu === null ? 0 : memory.usedBytes,
          disk: cpu === null ? 0 : disk.usedBytes,
          load: cpu === null ? 0 : (load[0] ?? 0),
          ms,
          rx: passed?.rxBytes ?? 0,
          tx: passed?.txBytes ?? 0,
        },
        latency: [],
      },
    }
  }
}

interface Times {
  readonly idle: number
  readonly total: number
}

function cpuTimes(): Times {
  let idle = 0
  let total = 0
  for (const { times } of os.cpus()) {
    idle += times.idle
    total += times.idle + times.user + times.nice + times.sys + times.irq
  }
  return { idle, total }
}

function busyPercent(before: Times, now: Times): number {
  const total = now.total - before.total
  if (total <= 0) return 0
  return Math.round(Math.max(1 - (now.idle - before.idle) / total, 0) * 1_000) / 10
}

async function readDisk(directory: string): Promise<MachineNow['disk']> {
  const { blocks, bfree, bavail, bsize } = await statfs(directory)
  return { totalBytes: blocks * bsize, usedBytes: (blocks - bfree) * bsize, freeBytes: bavail * bsize }
}

async function readNetwork(): Promise<MachineNow['network']> {
  const text = await readFile('/proc/net/dev', 'latin1').catch(() => null)
  if (text === null) return null
  const sums = { rxBytes: 0, txBytes: 0 }
  for (const line of text.split('\n').slice(2)) {
    const [name, rest] = line.split(':')
    if (!name || !rest || name.trim() === 'lo') continue
    const fields = rest.trim().split(/\s+/).map(Number)
    sums.rxBytes += fields[0] ?? 0
    sums.txBytes += fields[8] ?? 0
  }
  return sums
}

/** An interface that went away takes its count with it. */
function passedSince(
  before: { rxBytes: number; txBytes: number },
  now: { rxBytes: number; txBytes: number },
) {
  return {
    rxBytes: Math.max(now.rxBytes - before.rxBytes, 0),
    txBytes: Math.max(now.txBytes - before.txBytes, 0),
  }
}
