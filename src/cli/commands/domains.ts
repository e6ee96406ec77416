import { address } from '../client/api.ts'
import { confirm } from '../client/confirm.ts'
import { projectOf } from '../client/project.ts'
import type { Cli } from '../client/session.ts'
import { boolean, listOf, nullable, object, type Read, read, text, withDefault } from '../client/shape.ts'

const domain = object({
  domain: text,
  unicode: withDefault(text, ''),
  primary: withDefault(boolean, false),
  status: withDefault(text, ''),
  record: nullable(object({ type: text, name: text, value: text })),
})
const domains = object({ domains: listOf(domain) })

export async function list(cli: Cli): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const body = await api.get(address`/api/project/${project.name}/domains`)
  if (cli.out.json) return cli.out.document(body)
  const rows = read(domains, body).domains.map((one) => [
    `${nameOf(one)}${one.primary ? ' (primary)' : ''}`,
    one.status,
    advice(one),
  ])
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

/** The other hosts of the project lead on to it, or with `off` no longer. */
export async function primary(
  cli: Cli,
  name: string,
  { off = false, force = false }: { readonly off?: boolean; readonly force?: boolean },
): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const { body } = await api.ask('PATCH', address`/api/project/${project.name}/domains/${name}`, {
    body: { primary: !off, ...(force ? { force } : {}) },
  })
  if (cli.out.json) return cli.out.document(body)
  const one = read(object({ domain }), body).domain
  cli.out.line(
    one.primary
      ? `the other names of ${project.name} lead on to ${nameOf(one)}`
      : `${nameOf(one)} is not the primary domain of ${project.name}`,
  )
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
  cli.out.line(`${words} ${nameOf(one)}${one.status === '' ? '' : ` (DNS: ${one.status})`}`)
  if (one.status !== 'ok' && one.record) cli.out.note(`set this record: ${advice(one)}`)
}

/** `münchen.example (xn--mnchen-3ya.example)`: what is read, and what DNS knows. */
function nameOf(one: Read<typeof domain>): string {
  const { unicode } = one
  return unicode === '' || unicode === one.domain ? one.domain : `${unicode} (${one.domain})`
}

function advice({ record }: Read<typeof domain>): string {
  return record === null ? '' : `${record.name} ${record.type} ${record.value}`
}
