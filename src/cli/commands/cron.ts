import { type Api, address } from '../client/api.ts'
import { exit, Failure, interrupted, usage } from '../client/failure.ts'
import { printableLog } from '../client/printable.ts'
import { projectOf } from '../client/project.ts'
import type { Cli } from '../client/session.ts'
import { read } from '../client/shape.ts'
import { type CronRun, cronJobs, cronRuns, oneCronRun } from '../client/shapes.ts'
import { follow } from '../client/sse.ts'
import { ago, duration, shorten } from '../client/words.ts'

/** `nodepilot cron`: the jobs in force. */
export async function list(cli: Cli): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const body = await api.get(address`/api/project/${project.name}/cron`)
  if (cli.out.json) return cli.out.document(body)
  const rows = read(cronJobs, body).jobs.map((job) => [
    job.name,
    job.schedule,
    job.timezone,
    job.nextRunAt?.replace(/:\d\d\.\d+Z$/, 'Z') ?? '',
    job.lastRun ? `${outcome(job.lastRun)}, ${ago(job.lastRun.queuedAt, cli.clock())}` : '',
    shorten(job.command, 60),
  ])
  if (rows.length === 0) {
    return cli.out.note('no jobs yet: write them into "cron" of nodepilot.json, or into the settings')
  }
  cli.out.table(['JOB', 'SCHEDULE', 'ZONE', 'NEXT', 'LAST', 'COMMAND'], rows)
}

/** `nodepilot cron runs`: what has run, the newest first. */
export async function runs(cli: Cli, job: string | undefined, limit: number): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const body = await api.get(address`/api/project/${project.name}/cron/runs`, {
    limit: Math.min(limit, 200),
    job,
  })
  if (cli.out.json) return cli.out.document(body)
  const rows = read(cronRuns, body).runs.map((run) => [
    `${run.id}`,
    run.job,
    outcome(run),
    run.release === null ? '' : `v${run.release}`,
    run.by,
    run.ms === null ? '' : duration(run.ms),
    ago(run.queuedAt, cli.clock()),
  ])
  if (rows.length === 0) return cli.out.note('nothing has run yet')
  cli.out.table(['RUN', 'JOB', 'RESULT', 'RELEASE', 'BY', 'TOOK', 'WHEN'], rows)
}

/** `nodepilot cron run`: now, with its output, to its end. Ctrl-C ends it on the server too. */
export async function runNow(cli: Cli, job: string, detach: boolean): Promise<number> {
  const { api, project } = await projectOf(cli, undefined)
  const { body } = await api.ask('POST', address`/api/project/${project.name}/cron/${job}/run`, { body: {} })
  const { id } = read(oneCronRun, body).run
  if (detach) {
    if (cli.out.json) cli.out.document(body)
    else cli.out.line(`run ${id} begins; its output: nodepilot cron logs ${id} -f`)
    return exit.done
  }
  try {
    await print(cli, api, project.name, id, true)
  } catch (error) {
    if (!cli.signal.aborted) throw error
    await end(cli, project.name, id)
    throw interrupted()
  }
  return conclude(cli, api, project.name, id)
}

/** `nodepilot cron logs`: the output of a run. */
export async function logs(cli: Cli, what: string | undefined, goOn: boolean): Promise<number> {
  const { api, project } = await projectOf(cli, undefined)
  const id = await runOf(api, project.name, what)
  const lines = await print(cli, api, project.name, id, goOn)
  if (cli.out.json) cli.out.document({ run: id, lines })
  return exit.done
}

/** `nodepilot cron cancel`. */
export async function cancel(cli: Cli, number: string): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const id = /^#?([1-9]\d{0,14})$/.exec(number)?.[1]
  if (id === undefined) throw usage(`${number} is not the number of a run`, 'nodepilot cron runs lists them')
  const { body } = await api.ask('POST', address`/api/project/${project.name}/cron/runs/${id}/cancel`, {
    body: {},
  })
  if (cli.out.json) return cli.out.document(body)
  cli.out.line(`run ${id} is being ended`)
}

function outcome({ status, exitCode, error }: CronRun): string {
  if (status !== 'failed') return status
  return error ? `failed: ${error.message}` : `failed: exit code ${exitCode}`
}

/** By number, or the newest one, of a job where one is named. */
async function runOf(api: Api, project: string, what: string | undefined): Promise<number> {
  const number = /^#?([1-9]\d{0,14})$/.exec(what ?? '')?.[1]
  if (number !== undefined) return Number(number)
  const page = await api.get(address`/api/project/${project}/cron/runs`, { limit: 1, job: what })
  const newest = read(cronRuns, page).runs[0]
  if (newest) return newest.id
  throw new Failure(
    'not_found',
    what === undefined ? 'no job has run yet' : `no run of ${what} is kept`,
    'nodepilot cron lists the jobs',
    exit.notFound,
  )
}

/** Prints what a run has said, and where wanted what it will say. With `--json` nothing is printed: the lines. */
async function print(cli: Cli, api: Api, project: string, id: number, goOn: boolean): Promise<string[]> {
  const where = address`/api/project/${project}/cron/runs/${id}/output`
  const lines: string[] = []
  const take = (line: string) =>
    cli.out.json ? void lines.push(line) : cli.out.line(printableLog(line, false))
  if (!goOn) {
    const message = await api.open('GET', where, { headers: { accept: 'text/plain' } })
    message.setEncoding('utf8')
    let text = ''
    for await (const chunk of message as AsyncIterable<string>) text += chunk
    for (const line of text.split('\n').slice(0, -1)) take(line)
    return lines
  }
  const events = follow(api, where, {
    query: { follow: 1 },
    signal: cli.signal,
    patienceMs: 120_000,
    onBroken: () => cli.out.note('the connection broke; the run goes on, looking again …'),
  })
  for await (const { name, data } of events) {
    if (name === 'end') return lines
    if (name === 'message') take(data)
  }
  throw new Failure('unreachable', 'the output ended early', `nodepilot cron logs ${id} -f`, exit.unreachable)
}

/** The exit code of the run as ours. */
async function conclude(cli: Cli, api: Api, project: string, id: number): Promise<number> {
  const body = await api.get(address`/api/project/${project}/cron/runs/${id}`)
  const { run } = read(oneCronRun, body)
  if (cli.out.json) cli.out.document(body)
  if (run.status === 'succeeded') return exit.done
  if (!cli.out.json) cli.out.note(`${run.job} ${outcome(run)}`)
  return run.exitCode || exit.failed
}

/** Our own signal is aborted already, so this goes out under another one. */
async function end(cli: Cli, project: string, id: number): Promise<void> {
  const api = await cli.connect()
  await api
    .ask('POST', address`/api/project/${project}/cron/runs/${id}/cancel`, {
      body: {},
      signal: AbortSignal.timeout(10_000),
    })
    .then(
      () => cli.out.note(`run ${id} was ended`),
      (error: Error) => cli.out.note(`run ${id} could not be ended: ${error.message}`),
    )
}
