import { address } from '../client/api.ts'
import type { Cli } from '../client/session.ts'
import { boolean, label, listOf, nullable, object, read, text, withDefault } from '../client/shape.ts'
import { ago, shorten } from '../client/words.ts'

const sessions = object({
  sessions: listOf(
    object({
      id: label,
      current: withDefault(boolean, false),
      kind: withDefault(text, ''),
      address: nullable(text),
      name: withDefault(text, ''),
      agent: withDefault(text, ''),
      lastSeenAt: nullable(text),
    }),
  ),
})

export async function list(cli: Cli): Promise<void> {
  const api = await cli.connect()
  const body = await api.get('/api/auth/sessions')
  if (cli.out.json) return cli.out.document(body)
  const rows = read(sessions, body).sessions.map((one) => [
    one.current ? `${one.id} *` : one.id,
    one.kind,
    one.address ?? '',
    ago(one.lastSeenAt, cli.clock()),
    shorten(one.name || one.agent, 50),
  ])
  cli.out.table(['ID', 'KIND', 'FROM', 'SEEN', 'WITH'], rows)
}

export async function remove(cli: Cli, id: string): Promise<void> {
  const api = await cli.connect()
  await api.ask('DELETE', address`/api/auth/sessions/${id}`)
  if (cli.out.json) return cli.out.document({ removed: id })
  cli.out.line(`session ${id} has ended`)
}
