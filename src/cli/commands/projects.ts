import type { Cli } from '../client/session.ts'
import { read } from '../client/shape.ts'
import { type Project, projects as shape } from '../client/shapes.ts'

/** `nodepilot projects`: all that may be seen. */
export async function projects(cli: Cli): Promise<void> {
  const api = await cli.connect()
  const body = await api.get('/api/project/list')
  if (cli.out.json) return cli.out.document(body)
  const rows = read(shape, body).projects.map((one) => [
    one.name,
    stateOf(one),
    one.release === null ? '' : `v${one.release}`,
    Object.entries(one.processes)
      .map(([type, count]) => `${type}=${count}`)
      .join(' '),
    one.url,
  ])
  if (rows.length === 0) return cli.out.note('there are no projects yet: nodepilot create')
  cli.out.table(['PROJECT', 'STATUS', 'RELEASE', 'PROCESSES', 'ADDRESS'], rows)
}

/** `running, deploying, maintenance`; `sleeping` in the place of `running`. */
function stateOf({ status, sleeping, deploying, maintenance }: Project): string {
  const state = sleeping && status === 'running' ? 'sleeping' : status
  return [state, ...(deploying ? ['deploying'] : []), ...(maintenance ? ['maintenance'] : [])].join(', ')
}
