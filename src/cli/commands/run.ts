import type { IncomingMessage } from 'node:http'
import { address } from '../client/api.ts'
import { exit, Failure, usage } from '../client/failure.ts'
import { projectOf } from '../client/project.ts'
import type { Cli } from '../client/session.ts'
import { object, rawText, read } from '../client/shape.ts'

/** `nodepilot run -- CMD`: its output as it comes, its exit code as ours. */
export async function runOnce(
  cli: Cli,
  command: readonly string[],
  timeoutSeconds: number | undefined,
): Promise<number> {
  if (command.length === 0) throw usage('which command?', 'nodepilot run -- node migrate.js')
  const { api, project } = await projectOf(cli, undefined)
  if (process.stdin.isTTY) cli.out.note('it has no standard input; Ctrl-C ends it')
  const message = await api.open('POST', address`/api/project/${project.name}/run`, {
    headers: { accept: 'application/x-ndjson' },
    body: { command, ...(timeoutSeconds === undefined ? {} : { timeoutMs: timeoutSeconds * 1000 }) },
  })
  for await (const line of linesOf(message)) {
    const code = take(cli, JSON.parse(line))
    if (code !== null) return code
  }
  throw new Failure(
    'unreachable',
    'the connection broke before the command ended',
    'see what runs: nodepilot ps',
    exit.unreachable,
  )
}

const output = object({ stream: rawText, text: rawText })

/** The exit code at the end, else null. With `--json` the lines pass on as they came. */
function take(cli: Cli, value: unknown): number | null {
  if (cli.out.json) cli.out.document(value, 'line')
  if (typeof value !== 'object' || value === null) return null
  if ('exitCode' in value) return typeof value.exitCode === 'number' ? value.exitCode : exit.failed
  if ('error' in value)
    throw new Failure('run_failed', 'the command was ended by the server', 'nodepilot logs')
  if (cli.out.json) return null
  const { stream, text } = read(output, value)
  // the command's own output: a person asked for it, and programs take it as it is
  if (stream === 'err') cli.out.rawNote(text)
  else cli.out.raw(text)
  return null
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
