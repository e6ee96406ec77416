import { spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { TruncatedInput } from '../engine/archive/byte-reader.ts'
import { displayName } from '../engine/archive/display-name.ts'
import { Refusal } from '../engine/domain/refusal.ts'
import { describeExit } from '../engine/shell.ts'

export interface GitCommand {
  readonly args: readonly string[]
  /** The bare repository. */
  readonly directory: string
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

/** A git process whose output is read as a stream, which `run` of shell.ts does not do. */
export interface GitProcess {
  readonly stdin: Writable
  readonly stdout: Readable
  /** Waits for a reading of its output; where that broke off, throws why: cancel, time limit, git's words. */
  watch<T>(reading: Promise<T>): Promise<T>
  /** Throws unless it ended, or ends now, with status 0. */
  expectSuccess(): Promise<void>
  /** Throws why its output ended early. */
  fail(): Promise<never>
  /** Ends it however it stands, and waits until it is gone. Never throws. */
  end(): Promise<void>
}

const maxComplaint = 2_048

export function startGit(command: GitCommand): GitProcess {
  const child = spawn('git', [`--git-dir=${command.directory}`, ...command.args], {
    cwd: command.directory,
    env: { ...command.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let stopped: { readonly reason: unknown } | undefined
  const stop = (reason: unknown) => {
    stopped ??= { reason }
    child.kill('SIGKILL')
  }
  const onAbort = () => stop(command.signal.reason)
  command.signal.addEventListener('abort', onAbort, { once: true })
  const timer = setTimeout(() => stop(timedOut(command.timeoutMs)), command.timeoutMs)
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < maxComplaint) complaint += chunk.toString('utf8')
  })
  // git may leave while ids are still being written to it.
  child.stdin.on('error', () => {})
  const closed = new Promise<{ error?: Error }>((resolve) => {
    child.once('error', (error) => resolve({ error }))
    child.once('close', () => resolve({}))
  })
  const outcome = async () => {
    const { error } = await closed
    if (stopped) throw stopped.reason
    if (error) throw error
    return { code: child.exitCode, signal: child.signalCode }
  }
  const fail = async (): Promise<never> => {
    child.stdin.destroy()
    child.stdout.destroy()
    const exit = await outcome()
    throw unreadable(reasonIn(complaint) ?? `git ${describeExit(exit)}`)
  }
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    fail,
    async watch(reading) {
      try {
        const result = await reading
        if (stopped) throw stopped.reason
        return result
      } catch (error) {
        if (stopped) throw stopped.reason
        return isBrokenOff(error) ? await fail() : Promise.reject(error)
      }
    },
    async expectSuccess() {
      const exit = await outcome()
      if (exit.code !== 0) await fail()
    },
    async end() {
      clearTimeout(timer)
      command.signal.removeEventListener('abort', onAbort)
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy()
      child.kill('SIGKILL')
      await closed
    },
  }
}

/** The refusal `rejected_tree` for a commit that git itself cannot make sense of. */
export function unreadable(why: string): Refusal {
  return new Refusal('rejected_tree', `git cannot read the commit: ${why}`, {
    hint: 'check it with `git fsck`, then push again',
  })
}

function timedOut(ms: number): Refusal {
  return new Refusal('timeout', `git did not read the commit within ${Math.round(ms / 1000)} s`, {
    hint: 'push again when the server has less to do',
  })
}

function isBrokenOff(error: unknown): boolean {
  return (
    error instanceof TruncatedInput || (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE'
  )
}

function reasonIn(complaint: string): string | null {
  const line = complaint.split('\n').find((text) => text.trim() !== '')
  return line ? displayName(line.replace(/^(?:fatal|error): /, '').trim()) : null
}
