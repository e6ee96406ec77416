import { address } from '../client/api.ts'
import { confirm } from '../client/confirm.ts'
import { projectOf } from '../client/project.ts'
import type { Cli } from '../client/session.ts'
import { listOf, nullable, object, type Read, read, text, withDefault } from '../client/shape.ts'

const domain = object({
  domain: text,
  status: withDefault(text, ''),
  record: nullable(object({ type: text, name: text, value: text })),
})
const domains = object({ domains: listOf(domain) })

export async function list(cli: Cli): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const body = await api.get(address`/api/project/${project.name}/domains`)
  if (cli.out.json) return cli.out.document(body)
  const rows = read(domains, body).domains.map((one) => [one.domain, one.status, advice(one)])
  if (rows.length === 0) return cli.out.note('there are no domains: nodepilot domains add shop.example.com')
  cli.out.table(['DOMAIN', 'DNS', 'RECORD'], rows)
}

export async function add(cli: Cli, name: string): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const { body } = await api.ask('POST', address`/api/project/${project.name}/domains`, {
    body: { domain: name },
  })
  show(cli, body, `${project.name} answers at`)
}

export async function check(cli: Cli, name: string): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const { body } = await api.ask('POST', address`/api/project/${project.name}/domains/${name}/check`, {
    body: {},
  })
  show(cli, body, 'looked up')
}

export async function remove(cli: Cli, name: string): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  await confirm(cli, `Remove ${name} from ${project.name}? It stops answering there.`)
  await api.ask('DELETE', address`/api/project/${project.name}/domains/${name}`)
  if (cli.out.json) return cli.out.document({ removed: name })
  cli.out.line(`${project.name} does not answer at ${name} any more`)
}

function show(cli: Cli, body: unknown, words: string): void {
  if (cli.out.json) {
    cli.out.document(body)
    return
  }
  const one = read(object({ domain }), body).domain
  cli.out.line(`${words} ${one.domain}${one.status === '' ? '' : ` (DNS: ${one.status})`}`)
  if (one.status !== 'ok' && one.record) cli.out.note(`set this record: ${advice(one)}`)
}

function advice({ record }: Read<typeof domain>): string {
  return record === null ? '' : `${record.name} ${record.type} ${record.value}`
}
