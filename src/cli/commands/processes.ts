import { address } from '../client/api.ts'
import { usage } from '../client/failure.ts'
import { projectOf } from '../client/project.ts'
import type { Cli } from '../client/session.ts'
import { read } from '../client/shape.ts'
import { oneProject } from '../client/shapes.ts'
import { bytes, duration } from '../client/words.ts'

/** `nodepilot ps`: every instance. */
export async function ps(cli: Cli, name: string | undefined): Promise<void> {
  const { project, body } = await projectOf(cli, name)
  if (cli.out.json) return cli.out.document(body)
  if (project.instances.length === 0 && project.static && project.status === 'running') {
    return cli.out.note(`${project.name} is static files: the front door serves them without a process`)
  }
  if (project.wakeProblem !== null) {
    cli.out.note(`${project.name} sleeps and could not be woken: ${project.wakeProblem}`)
    return cli.out.note(`its last lines: nodepilot logs -p ${project.name}`)
  }
  if (project.sleeping) {
    return cli.out.note(`${project.name} sleeps until the next request: nodepilot start -p ${project.name}`)
  }
  if (project.instances.length === 0) {
    const next = project.release === null ? 'deploy' : 'start'
    return cli.out.note(`${project.name} is ${project.status}: nodepilot ${next} -p ${project.name}`)
  }
  const rows = project.instances.map((one) => [
    one.name,
    one.status,
    one.release === null ? '' : `v${one.release}`,
    one.pid === null ? '' : `${one.pid}`,
    one.cpu === null ? '' : `${one.cpu.toFixed(1)} %`,
    one.memoryBytes === null ? '' : bytes(one.memoryBytes),
    one.restarts === null ? '' : `${one.restarts}`,
    one.uptimeMs === null ? '' : duration(one.uptimeMs),
  ])
  cli.out.table(['PROCESS', 'STATUS', 'RELEASE', 'PID', 'CPU', 'MEMORY', 'RESTARTS', 'UPTIME'], rows)
  for (const { name: instance, problem, lastLines } of project.instances) {
    if (problem === null) continue
    cli.out.note(`${instance}: ${problem}`)
    for (const line of lastLines) cli.out.note(`  ${line}`)
  }
}

const done = { start: 'runs', stop: 'has stopped', restart: 'was restarted' } as const

/** `nodepilot start|stop|restart`; `type`: only the processes of that one. */
export async function change(
  cli: Cli,
  verb: keyof typeof done,
  name: string | undefined,
  type?: string,
): Promise<void> {
  const { api, project } = await projectOf(cli, name)
  const { body } = await api.ask('POST', address`/api/project/${project.name}/${verb}`, {
    body: type === undefined ? {} : { type },
  })
  if (cli.out.json) return cli.out.document(body)
  cli.out.line(`${type === undefined ? project.name : `${type} of ${project.name}`} ${done[verb]}`)
}

/** `nodepilot scale web=2 worker=1`; without a word, what is set. */
export async function scale(cli: Cli, pairs: readonly string[]): Promise<void> {
  const wanted = Object.fromEntries(pairs.map(parsePair))
  const { api, project, body } = await projectOf(cli, undefined)
  const shown =
    pairs.length === 0
      ? body
      : (await api.ask('POST', address`/api/project/${project.name}/scale`, { body: wanted })).body
  if (cli.out.json) return cli.out.document(shown)
  const { processes } = read(oneProject, shown).project
  for (const [type, count] of Object.entries(processes)) cli.out.line(`${type}=${count}`)
}

function parsePair(pair: string): [string, number] {
  const [, type, count] = /^([A-Za-z0-9_-]{1,40})=(\d{1,3})$/.exec(pair) ?? []
  if (type === undefined) throw usage(`${pair} is not like web=2`, 'nodepilot scale web=2 worker=1')
  return [type, Number(count)]
}
