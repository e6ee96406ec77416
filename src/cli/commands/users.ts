import { address } from '../client/api.ts'
import { confirm } from '../client/confirm.ts'
import { exit, Failure, usage } from '../client/failure.ts'
import { askHidden, readStdin } from '../client/prompt.ts'
import type { Cli } from '../client/session.ts'
import { listOf, object, read } from '../client/shape.ts'
import { user } from '../client/shapes.ts'

const users = object({ users: listOf(user) })

export async function list(cli: Cli): Promise<void> {
  const api = await cli.connect()
  const body = await api.get('/api/users')
  if (cli.out.json) return cli.out.document(body)
  const rows = read(users, body).users.map((one) => [`${one.id}`, one.username, one.role])
  cli.out.table(['ID', 'USER', 'ROLE'], rows)
}

export async function add(
  cli: Cli,
  username: string,
  { role, passwordStdin }: { readonly role: string; readonly passwordStdin?: boolean },
): Promise<void> {
  if (!/^(member|admin)$/.test(role))
    throw usage(`--role ${role} is neither member nor admin`, 'nodepilot users add --help')
  const api = await cli.connect()
  const password = passwordStdin
    ? await readStdin()
    : await askHidden(`Password for ${username}: `, 'give it with --password-stdin')
  const { body } = await api.ask('POST', '/api/users', { body: { username, password, role } })
  if (cli.out.json) return cli.out.document(body)
  cli.out.line(`${username} may sign in (${role})`)
}

export async function remove(cli: Cli, username: string): Promise<void> {
  const api = await cli.connect()
  const found = read(users, await api.get('/api/users')).users.find((one) => one.username === username)
  if (!found)
    throw new Failure('not_found', `there is no user ${username}`, 'see all: nodepilot users', exit.notFound)
  await confirm(cli, `Remove ${username}?`)
  await api.ask('DELETE', address`/api/users/${found.id}`)
  if (cli.out.json) return cli.out.document({ removed: username })
  cli.out.line(`${username} may not sign in any more`)
}
