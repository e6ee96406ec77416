import { type ChildProcess, spawn } from 'node:child_process'

export interface CommandOptions {
  readonly cwd?: string
  /** On top of the test's own environment. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Uint8Array
  /** `onOutput` writes the input and ends it. */
  readonly keepInput?: boolean
  /** After this the whole process group is killed and the output says so. Default 120 s. */
  readonly timeoutMs?: number
  /** Every piece of output as it comes, with the process: to see lines live, or to interrupt it (`interrupt`). */
  readonly onOutput?: (text: string, child: ChildProcess) => void
}

export interface CommandResult {
  /** The exit code; 128 when a signal ended it. */
  readonly code: number
  readonly signal: NodeJS.Signals | null
  /** Standard output alone. */
  readonly out: string
  /** Standard error alone. */
  readonly err: string
  /** Both streams as they came: what a person would have seen. */
  readonly all: string
  readonly ms: number
}

/** Runs a command to its end, in a process group of its own. A non-zero exit is an answer, not an error. */
export function command(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const began = performance.now()
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  let out = ''
  let err = ''
  let all = ''
  const take = (text: string) => {
    all += text
    options.onOutput?.(text, child)
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    take(text)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
    take(text)
  })
  child.stdin.on('error', () => {})
  if (!options.keepInput) child.stdin.end(options.input)
  const timeoutMs = options.timeoutMs ?? 120_000
  const timer = setTimeout(() => {
    all += `\n[not finished within ${timeoutMs} ms]`
    signalGroup(child, 'SIGKILL')
  }, timeoutMs)
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code: code ?? 128, signal, out, err, all, ms: performance.now() - began })
    })
  })
}

/** What Ctrl-C in a terminal does: SIGINT to the whole process group. */
export function interrupt(child: ChildProcess): void {
  signalGroup(child, 'SIGINT')
}

/** For `onOutput`: interrupts once, when all that was seen so far, in however many pieces, matches. */
export function interruptWhen(enough: RegExp): (text: string, child: ChildProcess) => void {
  let seen = ''
  let done = false
  return (text, child) => {
    seen += text
    if (done || !enough.test(seen)) return
    done = true
    interrupt(child)
  }
}

/** Sends a signal to the group of a process that was started by `command` or detached; gone is fine. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // already gone
  }
}
