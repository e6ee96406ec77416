import { spawn } from 'node:child_process'

export interface CommandOptions {
  readonly directory?: string
  /** Goes to its standard input. */
  readonly input?: string
  readonly environment?: Readonly<Record<string, string>>
}

export interface CommandResult {
  /** null when the program is not installed. */
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs a program of the user's own machine to its end: argv, no shell. */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: options.directory,
      env: { ...process.env, ...options.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    child.stdin.on('error', () => {})
    child.stdin.end(options.input)
    child.once('error', () => resolve({ code: null, out, err }))
    child.once('close', (code) => resolve({ code: code ?? 128, out, err }))
  })
}

/** Starts a program that goes on without us. False when it is not installed. */
export function launch(file: string, args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: 'ignore', detached: true })
    child.once('error', () => resolve(false))
    child.once('spawn', () => {
      child.unref()
      resolve(true)
    })
  })
}
