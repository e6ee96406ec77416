import { type Api, address } from './api.ts'
import { exit, Failure, interrupted } from './failure.ts'
import { printableLog } from './printable.ts'
import type { Cli } from './session.ts'
import { read } from './shape.ts'
import { type Deployment, deployed, oneDeployment, oneProject } from './shapes.ts'
import { follow } from './sse.ts'

/** From "the server has begun" to the exit code: the log while it runs, the outcome at the end. */
export async function finish(cli: Cli, api: Api, begun: unknown): Promise<void> {
  const { project, deployment } = read(deployed, begun)
  const told = await watch(cli, api, project.name, deployment.number)
  const answer = await api.get(address`/api/project/${project.name}/deployments/${deployment.number}`)
  const ended = read(oneDeployment, answer).deployment
  if (ended.status !== 'live' && ended.status !== 'retired') throw failed(project.name, ended, told)
  const shown = await api.get(address`/api/project/${project.name}`)
  if (cli.out.json) return cli.out.document({ ...(shown as object), ...(answer as object) })
  cli.out.line(`v${ended.release} is live: ${read(oneProject, shown).project.url}`)
}

/** Prints the log of a deployment to its end, and tells whether it names an error. Ctrl-C cancels it on the server. */
export async function watch(cli: Cli, api: Api, project: string, number: number): Promise<boolean> {
  let told = false
  try {
    await printLog(cli, api, project, number, (text) => {
      told ||= text.startsWith('error: ')
      cli.out.rawNote(text)
    })
    return told
  } catch (error) {
    if (!cli.signal.aborted) throw error
    await cancel(cli, project, number)
    throw interrupted()
  }
}

/** Every line of a deployment's output until it ends; the status it ended with. */
export async function printLog(
  cli: Cli,
  api: Api,
  project: string,
  number: number,
  write: (text: string) => void,
): Promise<string> {
  const where = address`/api/project/${project}/deployments/${number}/log`
  const events = follow(api, where, {
    query: { follow: 1 },
    signal: cli.signal,
    patienceMs: 120_000,
    onBroken: () => cli.out.note('the connection broke; the deployment goes on, looking again …'),
  })
  for await (const { name, data } of events) {
    if (name === 'end') return data
    if (name === 'gap') write('… some lines were left out; nodepilot deploy-log has them all\n')
    else if (name === 'message') write(`${printableLog(data, false)}\n`)
  }
  throw new Failure('unreachable', 'the log ended early', `nodepilot deploy-log ${number}`, exit.unreachable)
}

/** Our own signal is aborted already, so this goes out under another one. */
async function cancel(cli: Cli, project: string, number: number): Promise<void> {
  cli.out.note(`cancelling deployment ${number} …`)
  const api = await cli.connect()
  const where = address`/api/project/${project}/deployments/${number}/cancel`
  const signal = AbortSignal.timeout(10_000)
  try {
    await api.ask('POST', where, { body: {}, signal })
    cli.out.note(`deployment ${number} was cancelled`)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    cli.out.note(`deployment ${number} could not be cancelled: ${reason}`)
  }
}

/** The log says why, where it got so far. */
function failed(project: string, { number, status, error }: Deployment, told: boolean): Failure {
  if (!error)
    return new Failure(status, `deployment ${number} is ${status}`, `nodepilot deploys -p ${project}`)
  const hint = error.hint ?? `nodepilot deploy-log ${number} -p ${project}`
  return new Failure(error.code, error.message, hint, exit.failed, told)
}
