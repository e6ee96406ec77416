import { address } from '../client/api.ts'
import { confirm } from '../client/confirm.ts'
import { usage } from '../client/failure.ts'
import { projectOf } from '../client/project.ts'
import type { Cli } from '../client/session.ts'
import { listOf, object, read, text } from '../client/shape.ts'

const members = object({ members: listOf(object({ username: text, role: text })) })

export async function list(cli: Cli): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const body = await api.get(address`/api/project/${project.name}/members`)
  if (cli.out.json) return cli.out.document(body)
  const rows = read(members, body).members.map((one) => [one.username, one.role])
  if (rows.length === 0) return cli.out.note('there are no members: nodepilot members add <username>')
  cli.out.table(['USER', 'ROLE'], rows)
}

export async function add(cli: Cli, username: string, role: string): Promise<void> {
  if (!/^(viewer|deployer|owner)$/.test(role))
    throw usage(`--role ${role} is not viewer, deployer or owner`, 'nodepilot members add --help')
  const { api, project } = await projectOf(cli, undefined)
  const { body } = await api.ask('PUT', address`/api/project/${project.name}/members/${username}`, {
    body: { role },
  })
  if (cli.out.json) return cli.out.document(body)
  cli.out.line(`${username} is ${role} of ${project.name}`)
}

export async function remove(cli: Cli, username: string): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  await confirm(cli, `Remove ${username} from ${project.name}?`)
  await api.ask('DELETE', address`/api/project/${project.name}/members/${username}`)
  if (cli.out.json) return cli.out.document({ removed: username })
  cli.out.line(`${username} is no member of ${project.name} any more`)
}
