import { address } from '../client/api.ts'
import type { Cli } from '../client/session.ts'
import { read } from '../client/shape.ts'
import { releases as shape } from '../client/shapes.ts'
import { ago, revision, shorten } from '../client/words.ts'

/** `nodepilot releases`: what was live, the newest first, and what can come back. */
export async function releases(cli: Cli): Promise<void> {
  const project = await cli.project()
  const api = await cli.connect()
  const body = await api.get(address`/api/project/${project}/releases`)
  if (cli.out.json) return cli.out.document(body)
  const rows = read(shape, body).releases.map((one) => [
    `v${one.number}`,
    one.current ? 'live' : one.available ? 'kept' : 'removed',
    one.source.kind,
    revision(one.source.revision),
    shorten(one.source.message ?? '', 60),
    ago(one.createdAt, cli.clock()),
  ])
  if (rows.length === 0) return cli.out.note(`there is no release yet: nodepilot deploy -p ${project}`)
  cli.out.table(['RELEASE', 'STATE', 'SOURCE', 'REVISION', 'MESSAGE', 'WHEN'], rows)
}
