import { lstat, realpath } from 'node:fs/promises'
import {
  type ProcessRow,
  processesIn,
  signalAll,
  ticksPerSecond,
  ticksSinceBoot,
  waitUntilGone,
} from '../processes.ts'

/**
 * Ends what has left its tree, its session and its environment and still works in the directory of a release that
 * is given up. Whoever looks around there at a terminal is left alone, and so is what began before the directory was
 * made: neither was started by the release.
 */
export async function endHidden(directory: string): Promise<void> {
  const real = await realpath(directory).catch(() => null)
  // a link to the files of another release: what works there may serve
  if (real === null || (await lstat(directory)).isSymbolicLink()) return
  const since = await madeAt(real)
  for (let round = 0; round < 20; round++) {
    const hidden = processesIn(real).filter((one) => mayBeOfRelease(one, since))
    if (hidden.length === 0) return
    signalAll(hidden, 'SIGKILL')
    await waitUntilGone(hidden, 200)
  }
}

function mayBeOfRelease({ start, terminal }: ProcessRow, since: number): boolean {
  return !terminal && start >= since
}

/** Clock ticks since boot; a second less, for the two clocks are read one after the other. */
async function madeAt(directory: string): Promise<number> {
  const { birthtimeMs } = await lstat(directory)
  const ageMs = Date.now() - birthtimeMs + 1_000
  return ticksSinceBoot() - (ageMs / 1_000) * ticksPerSecond
}
