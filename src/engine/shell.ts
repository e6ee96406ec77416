import { type ChildProcess, spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as pause } from 'node:timers/promises'
import { Refusal } from './domain/refusal.ts'
import { endWithUs, feed, type Input, type Pipe, pipeFor } from './stdin.ts'

/** The one place that runs commands: an argv array, a whole environment, limits, cancel, lines. */

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly cwd: string
  /** The whole environment: nothing of the server's own is added. */
  readonly env: Readonly<Record<string, string>>
}

export type OutputStream = 'out' | 'err'

export interface RunOptions {
  readonly signal?: AbortSignal
  /** Wall clock, ms. */
  readonly timeoutMs?: number
  /** Both streams together, bytes. */
  readonly maxOutputBytes?: number
  /** Its standard input, closed at the end; `cancelled` where a stream breaks off. Without: /dev/null. */
  readonly input?: Input
  /** It must not go on when this process is killed. */
  readonly endsWithUs?: boolean
  /** Every line as it comes, without its end; lines over 8 KiB come in pieces, of which all but the last have `more`. */
  readonly onLine?: (line: string, stream: OutputStream, more: boolean) => void
  /**
   * Asked after each piece of output: while what it returns is unsettled, nothing more is read, so that a slow
   * reader slows the command down instead of filling the memory.
   */
  readonly full?: () => Promise<void> | undefined
  /** Also ends processes that left the group (setsid): those whose environment carries `NODEPILOT_JOB=<job>`. */
  readonly job?: string
  /** SIGTERM to SIGKILL of a command that must end, ms. */
  readonly graceMs?: number
  /** Called with the process that was started; what it returns is ended with the command. `end` ends that at once. */
  readonly watch?: (pid: number, end: (why: Refusal) => void) => { end(): Promise<void> }
}

export interface Exit {
  /** null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The last lines of both streams, oldest first. */
  readonly tail: readonly string[]
  readonly ms: number
}

const longestLine = 8 * 1024
const tailLines = 40
const usualGraceMs = 2_000

/**
 * Runs a command to its end, in a process group of its own. A non-zero exit is an answer, not an error.
 * Refuses with `cancelled`, `timeout` or `output_limit` after the whole group has ended.
 */
export async function run(command: Command, options: RunOptions = {}): Promise<Exit> {
  options.signal?.throwIfAborted()
  const began = performance.now()
  const pipe = await pipeFor(options.input)
  const child = start(command, options, pipe)
  const tail: string[] = []
  let refusal: Refusal | undefined
  let bytes = 0
  const stop = (why: Refusal, graceMs = options.graceMs ?? usualGraceMs) => {
    if (refusal) return
    refusal = why
    endGroup(child, graceMs)
  }
  const onLine = (line: string, stream: OutputStream, more = false) => {
    tail.push(line)
    if (tail.length > tailLines) tail.shift()
    options.onLine?.(line, stream, more)
  }
  const limit = options.maxOutputBytes ?? Number.POSITIVE_INFINITY
  const count = (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > limit) stop(outputLimit(limit))
    return bytes <= limit
  }
  let resting = 0
  const rest = (source: Readable) => {
    const room = options.full?.()
    if (!room) return
    resting++
    source.pause()
    void room.finally(() => {
      resting--
      source.resume()
    })
  }
  const flushes = [readLines(child, 'out', count, onLine, rest), readLines(child, 'err', count, onLine, rest)]
  const abort = () => stop(new Refusal('cancelled', 'the deployment was cancelled'))
  options.signal?.addEventListener('abort', abort, { once: true })
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => stop(timedOut(options.timeoutMs ?? 0)), options.timeoutMs)
  if (options.signal?.aborted) abort()
  const guard = options.endsWithUs ? endWithUs(child, pipe) : undefined
  const whole = () => guard?.whole()
  const stopFeeding = pipe && feed(pipe.writes, options.input, { cut: () => stop(inputBroke()), whole })
  // it may have ended, or closed its input, before all was written
  child.stdin?.on('error', () => {}).end(options.input)
  const watched = child.pid === undefined ? undefined : options.watch?.(child.pid, (why) => stop(why, 0))
  try {
    const { code, signal } = await ended(child, () => resting > 0 && !refusal)
    for (const flush of flushes) flush()
    await watched?.end()
    if (options.job) await endJob(options.job)
    if (refusal) throw refusal
    return { code, signal, tail, ms: performance.now() - began }
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', abort)
    stopFeeding?.()
    guard?.callOff()
    killGroup(child.pid, 'SIGKILL')
    // what left the group and still holds the pipes is heard no more
    child.stdout?.destroy()
    child.stderr?.destroy()
  }
}

function start(command: Command, { job, input }: RunOptions, pipe: Pipe | null): ChildProcess {
  try {
    return spawn(command.file, command.args, {
      cwd: command.cwd,
      env: job ? { ...command.env, NODEPILOT_JOB: job } : { ...command.env },
      stdio: [pipe?.reads ?? (input === undefined ? 'ignore' : 'pipe'), 'pipe', 'pipe'],
      detached: true,
    })
  } catch (error) {
    // arguments that are too long are not told as an event
    pipe?.writes.destroy()
    throw error
  } finally {
    pipe?.handedOver()
  }
}

/** Sends a signal to a process group; a group that is gone is fine. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/**
 * Ends every process whose environment carries the job's mark, however it detached itself. Resolves when none is
 * left: one may have started another in the moment of its end.
 */
export async function endJob(job: string): Promise<void> {
  for (let round = 0; round < 50; round++) {
    const found = await processesWithEnvironment(`NODEPILOT_JOB=${job}`)
    if (found.length === 0) return
    for (const pid of found) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // already gone
      }
    }
    await pause(10)
  }
}

/** Process ids whose environment holds exactly this `KEY=value` entry. Linux; elsewhere none. */
export async function processesWithEnvironment(entry: string): Promise<number[]> {
  const names = await readdir('/proc').catch(() => [] as string[])
  const found: number[] = []
  for (const name of names) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '')
    if (environment.split('\0').includes(entry)) found.push(Number(name))
  }
  return found
}

/** `exited with code 2`, `was killed by SIGKILL`. 137 is how a shell reports a child killed by SIGKILL. */
export function describeExit(exit: { readonly code: number | null; readonly signal: string | null }): string {
  return exit.signal ? `was killed by ${exit.signal}` : `exited with code ${exit.code}`
}

/** Killed from outside with SIGKILL, which on a Linux server nearly always means: out of memory. */
export function wasKilled(exit: { readonly code: number | null; readonly signal: string | null }): boolean {
  return exit.signal === 'SIGKILL' || exit.code === 137
}

function endGroup(child: ChildProcess, graceMs: number) {
  killGroup(child.pid, graceMs > 0 ? 'SIGTERM' : 'SIGKILL')
  if (graceMs > 0) setTimeout(() => killGroup(child.pid, 'SIGKILL'), graceMs).unref()
}

/**
 * Waits for the exit, and then a moment for the pipes: a daemonised grandchild may hold them open. Longer while
 * `unread`: what the command wrote is still there, and its reader is slow.
 */
function ended(
  child: ChildProcess,
  unread: () => boolean,
): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      const done = () => resolve({ code, signal })
      const timer = setInterval(() => {
        if (unread()) return
        clearInterval(timer)
        done()
      }, 500)
      child.once('close', () => {
        clearInterval(timer)
        done()
      })
    })
  })
}

function readLines(
  child: ChildProcess,
  stream: OutputStream,
  count: (chunk: Buffer) => boolean,
  onLine: (line: string, stream: OutputStream, more?: boolean) => void,
  pause: (source: Readable) => void,
): () => void {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const source = stream === 'out' ? child.stdout : child.stderr
  source?.on('data', (chunk: Buffer) => {
    if (!count(chunk)) return
    const lines = (rest + decoder.write(chunk)).split(/\r?\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line, stream)
    while (rest.length > longestLine) {
      // not between the halves of one sign
      const end = /[\ud800-\udbff]/.test(rest.charAt(longestLine - 1)) ? longestLine - 1 : longestLine
      onLine(rest.slice(0, end), stream, true)
      rest = rest.slice(end)
    }
    if (source) pause(source)
  })
  return () => {
    rest += decoder.end()
    if (rest) onLine(rest, stream)
    rest = ''
  }
}

function timedOut(ms: number): Refusal {
  return new Refusal('timeout', `the step did not end within ${Math.round(ms / 1000)} s`, {
    hint: 'make it faster, or raise the time limit of the project',
  })
}

function inputBroke(): Refusal {
  return new Refusal('cancelled', 'its standard input broke off before its end, so it was ended', {
    hint: 'run it again, with all of its input',
  })
}

function outputLimit(bytes: number): Refusal {
  return new Refusal(
    'output_limit',
    `the step wrote more than ${Math.round(bytes / 1_000_000)} MB of output`,
    {
      hint: 'make it quieter: output is for people',
    },
  )
}
