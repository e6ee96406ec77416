import { type Api, address } from '../client/api.ts'
import { exit, Failure, usage } from '../client/failure.ts'
import { printable, printableLog } from '../client/printable.ts'
import type { Cli } from '../client/session.ts'
import { number, object, read } from '../client/shape.ts'
import { type LogLine, logLine, logLines } from '../client/shapes.ts'
import { parseSince } from '../client/since.ts'
import { follow } from '../client/sse.ts'
import { duration } from '../client/words.ts'
import type { LogFlags } from '../register/deploys.ts'

/** `nodepilot logs`: the last lines, and with -f all that come. */
export async function logs(cli: Cli, flags: LogFlags): Promise<number> {
  if (flags.stream !== undefined && !/^(out|err)$/.test(flags.stream)) {
    throw usage(`--stream ${flags.stream} is neither out nor err`, 'nodepilot logs --stream err')
  }
  const query = {
    lines: Math.min(flags.lines, 10_000),
    type: flags.type,
    stream: flags.stream,
    q: flags.search,
    since: flags.since === undefined ? undefined : parseSince(flags.since, cli.clock()),
  }
  const project = await cli.project()
  const api = await cli.connect()
  if (flags.follow) return followLogs(cli, api, project, query)
  const body = await api.get(address`/api/project/${project}/logs`, query)
  if (cli.out.json) cli.out.document(body)
  else print(cli, body)
  return exit.done
}

function print(cli: Cli, body: unknown): void {
  const { lines } = read(logLines, body)
  if (lines.length === 0) cli.out.note('there are no such lines yet; wait for them: nodepilot logs -f')
  for (const line of lines) cli.out.line(format(cli, line))
}

/** Ends by Ctrl-C, which is no error here. A broken connection is opened again where it broke: no line is lost or comes twice. */
async function followLogs(
  cli: Cli,
  api: Api,
  project: string,
  query: Readonly<Record<string, string | number | undefined>>,
): Promise<number> {
  const events = follow(api, address`/api/project/${project}/logs/stream`, {
    query,
    signal: cli.signal,
    onBroken: (nextMs) => cli.out.note(`the connection broke; again in ${duration(nextMs)} …`),
  })
  try {
    for await (const { name, data } of events) {
      if (name === 'message' || name === 'gap') show(cli, parse(data))
    }
  } catch (error) {
    if (!cli.signal.aborted) throw error
  }
  return exit.interrupted
}

const gap = object({ gap: number })

function show(cli: Cli, value: unknown): void {
  if (cli.out.json) cli.out.document(value, 'line')
  else if (typeof value === 'object' && value !== null && 'gap' in value) {
    cli.out.note(`… ${read(gap, value).gap} lines were skipped; nodepilot logs has them`)
  } else cli.out.line(format(cli, read(logLine, value)))
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    throw new Failure('unexpected_answer', 'the log stream is not JSON', 'nodepilot doctor', exit.failed)
  }
}

/** Time of day on a terminal, the whole time where a program reads on. */
function format(cli: Cli, { time, instance, stream, line }: LogLine): string {
  const { colours } = cli.out
  const short = process.stdout.isTTY ? new Date(time).toTimeString().slice(0, 8) : time
  const from = printable(stream === 'err' ? `${instance} err` : instance)
  const shown = stream === 'err' ? colours.red(from) : colours.cyan(from)
  return `${colours.dim(short)} ${shown}  ${printableLog(line, colours.isColorSupported)}`
}
