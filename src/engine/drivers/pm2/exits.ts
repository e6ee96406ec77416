import type { InstanceExit } from '../../ports.ts'
import { parseInstanceName } from './names.ts'

/**
 * The daemon writes one line for each process that ends, and only this line names the signal; its event
 * "exit" has no signal, and comes twice for a process that was stopped.
 */
const exitLine = /^App \[([^\]]*):(\d+)\] exited with code \[(-?\d+)\] via signal \[(\w+)\]$/

/**
 * What a line of the daemon's log tells about an instance; null for all other lines.
 * An end by SIGINT reads like `exit 0`, because "no signal" is written as SIGINT: it is taken for the latter.
 */
export function exitOf(line: string): InstanceExit | null {
  const found = exitLine.exec(line)
  const ref = found && parseInstanceName(found[1] ?? '')
  if (!found || !ref) return null
  const code = Number(found[3])
  const signal = found[4] ?? 'SIGINT'
  if (code !== 0 || signal === 'SIGINT') return { ...ref, code, signal: null }
  return { ...ref, code: null, signal }
}
