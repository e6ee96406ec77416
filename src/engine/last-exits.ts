import { setTimeout as pause } from 'node:timers/promises'
import type { AppLog } from './app-log/line.ts'
import { readAppLog } from './app-log.ts'
import { tellingLines } from './domain/telling-lines.ts'
import type { InstanceExit, Runtime } from './ports.ts'
import { describeExit, wasKilled } from './shell.ts'

/** What an instance used when it was ended for using too much, bytes. */
export interface MemoryUse {
  readonly usedBytes: number
  readonly limitBytes: number
}

/** How the process of an instance ended the last time. */
export interface LastExit {
  readonly code: number | null
  readonly signal: string | null
  /** Milliseconds since 1970. */
  readonly at: number
  /** It was ended because it used more memory than it may. */
  readonly memory: MemoryUse | null
  /** Ends in a row, each after a short life; 1 for one that had lived for long. */
  readonly streak: number
}

export type ExitReason = 'out_of_memory' | 'crashed'

export type ExitRef = Omit<InstanceExit, 'code' | 'signal' | 'release'>

export interface LastExits {
  of(instance: ExitRef): LastExit | null
  /** It is being ended because of this: its next end says so. */
  expect(instance: ExitRef, memory: MemoryUse): void
  /** What it wrote last before that end, as far as it tells something. Read once, when first asked. */
  lines(instance: ExitRef): Promise<readonly string[]>
  /** How often instances of each project ran out of memory since this server started. */
  outOfMemory(): ReadonlyMap<string, number>
}

/** Instances of old generations are forgotten when there are this many. */
const mostKept = 1_000
/** Half a minute of life, after which PM2 too forgets the crashes, beside its longest pause of 15 s, ms. */
const shortGapMs = 45_000
const [readLines, quotedLines] = [200, 10]
/** The runtime writes the log behind the exit's back, ms. */
const arrivesWithinMs = 150

interface Known {
  readonly exit: LastExit
  lines: Promise<readonly string[]> | null
}

/** Remembers how each instance ended the last time, so that one that ends again and again can be explained. */
export function rememberExits(
  runtime: Pick<Runtime, 'onExit'>,
  deps: { readonly clock: () => number; readonly appLog: (project: string) => AppLog },
): LastExits {
  const last = new Map<string, Known>()
  const expected = new Map<string, MemoryUse>()
  const outOfMemory = new Map<string, number>()

  runtime.onExit((exit) => {
    const { code, signal } = exit
    const key = keyOf(exit)
    const at = deps.clock()
    const before = last.get(key)?.exit
    const streak = before && at - before.at < shortGapMs ? before.streak + 1 : 1
    const memory = expected.get(key) ?? null
    expected.delete(key)
    if (memory) outOfMemory.set(exit.project, (outOfMemory.get(exit.project) ?? 0) + 1)
    last.delete(key)
    last.set(key, { exit: { code, signal, at, memory, streak }, lines: null })
    const [oldest] = last.keys()
    if (last.size > mostKept && oldest !== undefined) last.delete(oldest)
  })

  const read = async (instance: ExitRef, { at }: LastExit): Promise<readonly string[]> => {
    if (deps.clock() - at < arrivesWithinMs) await pause(arrivesWithinMs)
    const { project, type, index, generation } = instance
    const query = { lines: readLines, instance: `${type}.${index}`, generation }
    const lines = await readAppLog(deps.appLog(project), query)
    // it may run again by now and have written more
    const until = new Date(at + arrivesWithinMs / 2).toISOString()
    const written = lines.filter(({ time }) => time <= until).map(({ line }) => line)
    return tellingLines(written, quotedLines)
  }

  return {
    of: (instance) => last.get(keyOf(instance))?.exit ?? null,
    expect: (instance, memory) => void expected.set(keyOf(instance), memory),
    async lines(instance) {
      const known = last.get(keyOf(instance))
      if (!known) return []
      known.lines ??= read(instance, known.exit).catch(() => [])
      return known.lines
    },
    outOfMemory: () => outOfMemory,
  }
}

/** From how it ended and what it wrote last. Killed by nobody we know means, most likely, by the kernel. */
export function reasonOf(
  exit: Pick<LastExit, 'code' | 'signal'> & { readonly memory?: MemoryUse | null },
  lines: readonly string[],
): ExitReason {
  const full = lines.some((line) => line.includes('JavaScript heap out of memory'))
  return exit.memory || full || wasKilled(exit) ? 'out_of_memory' : 'crashed'
}

/** `used 143 MB of 128 MB: it ran out of memory`, to follow "it" or "the app". */
export function exitSentence(
  exit: Pick<LastExit, 'code' | 'signal'> & { readonly memory?: MemoryUse | null },
  lines: readonly string[],
): string {
  if (exit.memory) {
    const { usedBytes, limitBytes } = exit.memory
    return `used ${megabytes(usedBytes)} and was ended: its memory limit is ${megabytes(limitBytes)}`
  }
  const ended = describeExit(exit)
  if (reasonOf(exit, lines) !== 'out_of_memory') return ended
  return wasKilled(exit)
    ? `${ended}, most likely because it ran out of memory`
    : `${ended}: it ran out of memory`
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1_000_000)} MB`
}

function keyOf({ project, type, generation, index }: ExitRef) {
  return `${project} ${type} ${generation} ${index}`
}
