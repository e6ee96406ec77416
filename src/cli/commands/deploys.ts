import { type Api, address } from '../client/api.ts'
import { printLog } from '../client/deployment.ts'
import { exit, Failure, usage } from '../client/failure.ts'
import { printableLog } from '../client/printable.ts'
import type { Cli } from '../client/session.ts'
import { read } from '../client/shape.ts'
import { type Deployment, deployments } from '../client/shapes.ts'
import { ago, revision, shorten } from '../client/words.ts'

/** `nodepilot deploys`: what was tried, the newest first. */
export async function deploys(cli: Cli, limit: number): Promise<void> {
  const project = await cli.project()
  const api = await cli.connect()
  const body = await api.get(address`/api/project/${project}/deployments`, { limit: Math.min(limit, 200) })
  if (cli.out.json) return cli.out.document(body)
  const rows = read(deployments, body).deployments.map((one) => [
    `${one.number}`,
    one.status,
    one.release === null ? '' : `v${one.release}`,
    one.source.kind,
    revision(one.source.revision),
    shorten(one.error ? `${one.error.code}: ${one.error.message}` : (one.source.message ?? ''), 60),
    one.by,
    ago(one.startedAt, cli.clock()),
  ])
  if (rows.length === 0)
    return cli.out.note(
      `nothing was deployed yet: git push nodepilot main, or nodepilot deploy -p ${project}`,
    )
  cli.out.table(['NUMBER', 'STATUS', 'RELEASE', 'SOURCE', 'REVISION', 'WHAT', 'BY', 'WHEN'], rows)
}

/**
 * `nodepilot deploy-log`: the output of one. Its exit code says how the deployment ended when it was followed. With
 * `--json` one document with all lines, at the end.
 */
export async function deployLog(cli: Cli, number: string | undefined, goOn: boolean): Promise<number> {
  const project = await cli.project()
  const api = await cli.connect()
  const wanted = number === undefined ? (await newest(api, project)).number : parseNumber(number)
  const lines: string[] = []
  const print = (text: string) => (cli.out.json ? void lines.push(text) : cli.out.line(text))
  const end = () => cli.out.json && cli.out.document({ number: wanted, lines })
  if (goOn) {
    const status = await printLog(cli, api, project, wanted, (text) => print(text.replace(/\n$/, '')))
    end()
    return status === 'live' || status === 'retired' ? exit.done : exit.failed
  }
  const message = await api.open('GET', address`/api/project/${project}/deployments/${wanted}/log`, {
    headers: { accept: 'text/plain' },
  })
  message.setEncoding('utf8')
  let rest = ''
  for await (const chunk of message as AsyncIterable<string>) {
    const whole = (rest + chunk).split('\n')
    rest = whole.pop() ?? ''
    for (const line of whole) print(printableLog(line, false))
  }
  end()
  return exit.done
}

/** `nodepilot cancel`: the deployment that runs, or the one of this number. */
export async function cancel(cli: Cli, number: string | undefined): Promise<void> {
  const project = await cli.project()
  const api = await cli.connect()
  const wanted = number === undefined ? await running(api, project) : parseNumber(number)
  const { body } = await api.ask('POST', address`/api/project/${project}/deployments/${wanted}/cancel`, {
    body: {},
  })
  if (cli.out.json) return cli.out.document(body)
  cli.out.line(`deployment ${wanted} is being cancelled`)
}

async function running(api: Api, project: string): Promise<number> {
  const page = read(deployments, await api.get(address`/api/project/${project}/deployments`, { limit: 20 }))
  const one = page.deployments.find(({ status }) => status === 'running' || status === 'queued')
  if (one) return one.number
  throw new Failure(
    'not_found',
    'no deployment runs',
    `see what there was: nodepilot deploys -p ${project}`,
    exit.notFound,
  )
}

async function newest(api: Api, project: string): Promise<Deployment> {
  const page = read(deployments, await api.get(address`/api/project/${project}/deployments`, { limit: 1 }))
  const one = page.deployments[0]
  if (one) return one
  throw new Failure('not_found', 'nothing was deployed yet', `nodepilot deploy -p ${project}`, exit.notFound)
}

function parseNumber(text: string): number {
  const number = /^#?([1-9]\d{0,8})$/.exec(text)?.[1]
  if (number) return Number(number)
  throw usage(`${text} is not the number of a deployment`, 'nodepilot deploys lists them')
}
