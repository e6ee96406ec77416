import { readFileSync } from 'node:fs'
import type { ProcessRow } from './processes.ts'

/** What processes hold in memory, read from /proc. Without /proc it is 0. */

/** Resident bytes of one process; what it shares with others counts in full. 0: there is none. */
export function residentBytes(pid: number): number {
  return kilobytes(`/proc/${pid}/status`, /^VmRSS:\s+(\d+) kB$/m)
}

/** Resident bytes of a tree; what its processes share counts for each of them. About 20 µs a process. */
export function residentBytesOf(tree: readonly ProcessRow[]): number {
  return tree.reduce((sum, { pid }) => sum + residentBytes(pid), 0)
}

/** The same with shared pages counted once: the kernel walks all pages for it, some ms for a large process. */
export function proportionalBytesOf(tree: readonly ProcessRow[]): number {
  return tree.reduce((sum, { pid }) => {
    const bytes = kilobytes(`/proc/${pid}/smaps_rollup`, /^Pss:\s+(\d+) kB$/m)
    return sum + (bytes || residentBytes(pid))
  }, 0)
}

function kilobytes(file: string, pattern: RegExp): number {
  try {
    return Number(pattern.exec(readFileSync(file, 'latin1'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
