import type { IncomingMessage } from 'node:http'
import { address } from '../client/api.ts'
import { exit, Failure, usage } from '../client/failure.ts'
import type { Output } from '../client/output.ts'
import { printableLog } from '../client/printable.ts'
import { projectOf } from '../client/project.ts'
import { hasInput, sendInput } from '../client/run-input.ts'
import type { Cli } from '../client/session.ts'
import { boolean, nullable, number, object, rawText, read, text, withDefault } from '../client/shape.ts'

export interface RunFlags {
  readonly timeout?: number
  /** undefined: where something is piped into us. */
  readonly stdin?: boolean
}

/** `nodepilot run -- CMD`: its output as it comes, its exit code as ours, our input its own. Leaving ends it on the server. */
export async function runOnce(cli: Cli, command: readonly string[], flags: RunFlags): Promise<number> {
  if (command.length === 0) throw usage('which command?', 'nodepilot run -- node migrate.js')
  const { api, project } = await projectOf(cli, undefined)
  const stdin = flags.stdin ?? hasInput()
  if (!stdin && process.stdin.isTTY) cli.out.note('it has no standard input (--stdin); Ctrl-C ends it')
  // ends all that is under way when the input cannot be sent
  const given = new AbortController()
  const signal = AbortSignal.any([cli.signal, given.signal])
  const message = await api.open('POST', address`/api/project/${project.name}/run`, {
    headers: { accept: 'application/x-ndjson' },
    body: {
      command,
      ...(stdin && { stdin }),
      ...(flags.timeout !== undefined && { timeoutMs: flags.timeout * 1000 }),
    },
    signal,
  })
  let why: unknown
  const send = (where: string) =>
    sendInput(api, where, process.stdin, signal).catch((error: unknown) => {
      // one that is there no more has ended, and says so itself
      if (error instanceof Failure && error.code === 'not_found') return
      why = error
      given.abort()
    })
  try {
    for await (const line of linesOf(message)) {
      const value = parse(line)
      if (isBegin(value)) void send(value.input)
      else {
        const code = take(cli, value)
        if (code !== null) return code
      }
    }
  } catch (error) {
    throw why ?? error
  }
  const hint = 'see what runs: nodepilot ps'
  throw new Failure('unreachable', 'the connection broke before the command ended', hint, exit.unreachable)
}

function isBegin(value: unknown): value is { readonly input: string } {
  const input = typeof value === 'object' && value !== null && 'input' in value ? value.input : null
  // never to another server, with our token
  return typeof input === 'string' && input.startsWith('/api/')
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw new Failure('unexpected_answer', 'the output is not JSON', 'nodepilot doctor', exit.failed)
  }
}

const output = object({ stream: rawText, text: rawText, more: withDefault(boolean, false) })

/** The exit code at the end, else null. With `--json` the lines pass on as they came. */
function take(cli: Cli, value: unknown): number | null {
  if (cli.out.json) cli.out.document(value, 'line')
  if (typeof value === 'object' && value !== null && 'exitCode' in value) return end(cli, value)
  const { stream, text: written, more } = read(output, value)
  if (cli.out.json) return null
  const lineEnd = more ? '' : '\n'
  if (stream === 'err') cli.out.rawNote(shown(written, process.stderr.isTTY, cli.out.notes) + lineEnd)
  else cli.out.raw(shown(written, process.stdout.isTTY, cli.out.colours) + lineEnd)
  return null
}

/** Programs take the output as it is; a terminal would obey it. */
function shown(line: string, isTerminal: boolean, { isColorSupported }: Output['colours']): string {
  return isTerminal ? printableLog(line, isColorSupported) : line
}

const last = object({
  exitCode: number,
  error: nullable(object({ code: text, message: text, hint: nullable(text) })),
})

/** A command that was ended (a limit, a time-out) has a reason beside its code. */
function end(cli: Cli, value: unknown): number {
  const { exitCode, error } = read(last, value)
  if (error) {
    cli.out.note(`error: ${error.message}`)
    cli.out.note(`hint: ${error.hint ?? 'see what runs: nodepilot ps'}`)
  }
  return exitCode
}

async function* linesOf(message: IncomingMessage): AsyncGenerator<string> {
  message.setEncoding('utf8')
  let rest = ''
  for await (const chunk of message as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line !== '') yield line
  }
  if (rest !== '') yield rest
}
