import { randomUUID } from 'node:crypto'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import type { Context, OneOffUnderWay } from '../context.ts'
import type { Who } from '../domain/audit.ts'
import { varsAtRun } from '../domain/config-vars.ts'
import { isRefusal, Refusal } from '../domain/refusal.ts'
import type { Release } from '../domain/release.ts'
import { freeIndex, oneOff } from '../pipeline/one-off.ts'
import { memoryWatch } from '../pipeline/one-off-memory.ts'
import { type Exit, type OutputStream, run } from '../shell.ts'
import type { ProjectRow } from '../store/projects.ts'

export interface RunRequest {
  /** A program and its arguments. */
  readonly command: readonly string[]
  /** Wall clock, ms; an hour where none is given. */
  readonly timeoutMs?: number | undefined
}

export interface RunOptions {
  readonly who: Who
  /** Ends the command: whoever asked for it has gone. */
  readonly signal: AbortSignal
  /** `more`: the line goes on with the next piece of its stream. */
  readonly output: (line: string, stream: OutputStream, more: boolean) => void
  /** See `shell.run`: while what it returns is unsettled, no more output is read. */
  readonly full?: () => Promise<void> | undefined
  /** Its standard input, read as it reads; without one it has none. */
  readonly input?: Readable
}

export interface RunResult {
  /** As a shell tells it: 128 and the signal's number, 124 after the time limit, 137 over the memory limit, 127 for no such program. */
  readonly exitCode: number
  /** Why it was ended, where it did not end by itself. */
  readonly refusal: Refusal | null
}

export interface OneOffRun {
  /** `run.1` */
  readonly name: string
  /** Settles when nothing of it is left, whatever it started. */
  readonly result: Promise<RunResult>
}

export type RunCase = ReturnType<typeof createRunCase>

const defaultTimeoutMs = 3_600_000
/** Of what the audit log keeps. */
const mostWords = 50
const longestWord = 300

export function createRunCase(ctx: Context) {
  /**
   * Runs a command once in the live release's directory, with its environment and powers. It begins at once;
   * throws `conflict` where there is no release.
   */
  return (project: ProjectRow, request: RunRequest, options: RunOptions): OneOffRun => {
    ctx.closing.throwIfAborted()
    const release = liveRelease(ctx, project)
    const after = { command: withoutValues(request.command, release.envVars) }
    ctx.audit({ who: options.who, action: 'process.run', project, after })
    const index = freeIndex(ctx, project.id, 'run')
    const controller = new AbortController()
    const signal = AbortSignal.any([controller.signal, options.signal, ctx.closing])
    const result = carryOut(ctx, { project, release, index, request, options: { ...options, signal } })
    const underWay: OneOffUnderWay = {
      projectId: project.id,
      slug: release.slug,
      type: 'run',
      index,
      controller,
      ended: result.catch(() => {}).finally(() => ctx.runs.delete(underWay)),
    }
    ctx.runs.add(underWay)
    return { name: `run.${index}`, result }
  }
}

/** Ends the one-off commands of a project and waits for that. */
export async function endRuns(ctx: Context, projectId: number, why: Refusal): Promise<void> {
  const ending = [...ctx.runs].filter((one) => one.projectId === projectId)
  for (const { controller } of ending) controller.abort(why)
  await Promise.all(ending.map(({ ended }) => ended))
}

async function carryOut(
  ctx: Context,
  what: {
    readonly project: ProjectRow
    readonly release: Release
    readonly index: number
    readonly request: RunRequest
    readonly options: RunOptions
  },
): Promise<RunResult> {
  const { project, release, index, request, options } = what
  const { signal, output, full, input } = options
  const [program = '', ...args] = request.command
  const timeoutMs = request.timeoutMs ?? defaultTimeoutMs
  const directory = ctx.paths.release(project.name, release.slug)
  const { number, plan } = release
  const envVars = varsAtRun(release)
  const { memoryLimitMb } = project
  const place = { project: project.name, release: number, directory, envVars, plan, memoryLimitMb }
  try {
    const command = await oneOff(ctx, place, `run.${index}`, [program, ...args])
    const job = `${ctx.paths.home}#run-${randomUUID()}`
    const limits = { timeoutMs, ...memoryWatch(project) }
    const streams = { onLine: output, ...(full && { full }), ...(input && { input }) }
    const exit = await run(command, { signal, job, endsWithUs: true, ...streams, ...limits })
    return { exitCode: codeOf(exit), refusal: null }
  } catch (error) {
    if (isRefusal(error, 'timeout')) return { exitCode: 124, refusal: timedOut(timeoutMs) }
    if (isRefusal(error, 'out_of_memory')) return { exitCode: 137, refusal: error }
    if (signal.aborted) return { exitCode: 130, refusal: cancelled(signal.reason) }
    if (isRefusal(error, 'cancelled')) return { exitCode: 130, refusal: error }
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'ENOENT' && code !== 'EACCES') throw error
    // what a shell would say, and `setpriv` where there is one
    output(`${program}: ${code === 'ENOENT' ? 'not found' : 'permission denied'}`, 'err', false)
    return { exitCode: code === 'ENOENT' ? 127 : 126, refusal: null }
  }
}

/** The argv for the audit log: a config var's value in it is replaced by its name. */
export function withoutValues(
  command: readonly string[],
  envVars: Readonly<Record<string, string>>,
): readonly string[] {
  // the longest first: one value may be part of another
  const secrets = Object.entries(envVars)
    .filter(([, value]) => value.length > 0)
    .sort(([, a], [, b]) => b.length - a.length)
  return command
    .slice(0, mostWords)
    .map((word) => secrets.reduce((text, [name, value]) => text.replaceAll(value, () => `$${name}`), word))
    .map((word) => word.slice(0, longestWord))
}

function liveRelease(ctx: Context, project: ProjectRow): Release {
  const current = ctx.store.projects.find(project.id)
  const release = ctx.store.releases.find(project.id, current?.currentRelease ?? -1)
  if (release) return release
  throw new Refusal('conflict', `${project.name} has no release yet`, {
    hint: 'push to it, or upload an archive; then commands can run in it',
  })
}

function codeOf({ code, signal }: Exit): number {
  return code ?? 128 + (signal ? constants.signals[signal] : 0)
}

function timedOut(ms: number): Refusal {
  return new Refusal('timeout', `the command did not end within ${Math.round(ms / 100) / 10} s`, {
    hint: 'run it with a longer timeoutMs',
  })
}

function cancelled(reason: unknown): Refusal {
  return isRefusal(reason) ? reason : new Refusal('cancelled', 'the command was ended by who had started it')
}
