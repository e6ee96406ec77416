import { address } from '../client/api.ts'
import { confirm } from '../client/confirm.ts'
import { usage } from '../client/failure.ts'
import type { Cli } from '../client/session.ts'
import { read } from '../client/shape.ts'
import { newToken, tokens } from '../client/shapes.ts'
import { ago } from '../client/words.ts'
import type { TokenFlags } from '../register/accounts.ts'

export async function list(cli: Cli): Promise<void> {
  const api = await cli.connect()
  const body = await api.get('/api/auth/tokens')
  if (cli.out.json) return cli.out.document(body)
  const rows = read(tokens, body).tokens.map((one) => [
    `${one.id}`,
    one.name,
    one.scope,
    one.project ?? 'all',
    ago(one.lastUsedAt, cli.clock()) || 'never',
    one.expiresAt?.slice(0, 10) ?? 'never',
  ])
  if (rows.length === 0) return cli.out.note('there are no tokens yet: nodepilot tokens create <name>')
  cli.out.table(['ID', 'NAME', 'SCOPE', 'PROJECT', 'USED', 'ENDS'], rows)
}

/** The token alone on stdout, so that it can go into a secret store by a pipe. */
export async function create(cli: Cli, name: string, { scope, expires }: TokenFlags): Promise<void> {
  if (!/^(push|read|admin)$/.test(scope))
    throw usage(`--scope ${scope} is not push, read or admin`, 'nodepilot tokens create --help')
  const api = await cli.connect()
  const { body } = await api.ask('POST', '/api/auth/tokens', {
    body: {
      name,
      scope,
      ...(cli.flags.project === undefined ? {} : { project: cli.flags.project }),
      ...(expires === undefined ? {} : { expiresInDays: expires }),
    },
  })
  if (cli.out.json) return cli.out.document(body)
  cli.out.note('it is shown this once:')
  cli.out.line(read(newToken, body).token)
}

export async function remove(cli: Cli, id: string): Promise<void> {
  if (!/^\d{1,9}$/.test(id)) throw usage(`${id} is not the id of a token`, 'nodepilot tokens lists them')
  const api = await cli.connect()
  await confirm(cli, `End token ${id}? Whatever uses it stops working.`)
  await api.ask('DELETE', address`/api/auth/tokens/${id}`)
  if (cli.out.json) return cli.out.document({ removed: Number(id) })
  cli.out.line(`token ${id} has ended`)
}
