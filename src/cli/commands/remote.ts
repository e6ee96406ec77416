import { address } from '../client/api.ts'
import { finish } from '../client/deployment.ts'
import { exit, Failure } from '../client/failure.ts'
import { projectOf } from '../client/project.ts'
import { readStdin } from '../client/prompt.ts'
import type { Cli } from '../client/session.ts'
import { boolean, listOf, nullable, number, object, type Read, read, secret, text } from '../client/shape.ts'
import { ago } from '../client/words.ts'

const remote = object({
  url: text,
  branch: text,
  username: nullable(text),
  hasToken: boolean,
  publicKey: text,
  knownHosts: listOf(text),
  webhookUrl: text,
})
const shown = object({ remote: nullable(remote) })
const made = object({ remote, webhookSecret: nullable(secret) })
const deliveries = object({
  deliveries: listOf(
    object({
      provider: text,
      event: text,
      ref: nullable(text),
      result: text,
      reason: nullable(text),
      deployment: nullable(number),
      status: nullable(text),
      receivedAt: text,
    }),
  ),
})

/** `nodepilot fetch`: the tip of the remote's branch, deployed. Ctrl-C cancels it. */
export async function fetchNow(cli: Cli, detach: boolean): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const { body } = await api.ask('POST', address`/api/project/${project.name}/fetch`, {
    body: {},
    headers: { prefer: 'respond-async' },
  })
  if (!detach) return finish(cli, api, body)
  if (cli.out.json) return cli.out.document(body)
  cli.out.line('it is being fetched and deployed: nodepilot deploy-log -f')
}

/** `nodepilot remote`. */
export async function show(cli: Cli): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const body = await api.get(address`/api/project/${project.name}/remote`)
  if (cli.out.json) return cli.out.document(body)
  const found = read(shown, body).remote
  if (!found) {
    const hint = `set one: nodepilot remote set git@github.com:ana/${project.name}.git`
    throw new Failure('not_found', `${project.name} has no remote repository`, hint, exit.notFound)
  }
  print(cli, found)
}

export interface SetFlags {
  readonly branch?: string
  readonly username?: string
  readonly tokenStdin?: boolean
  readonly token?: boolean
  readonly forgetHosts?: boolean
}

/** `nodepilot remote set`: prints what the other side has to be given. */
export async function set(cli: Cli, url: string, flags: SetFlags): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const token = flags.tokenStdin ? (await readStdin()).trim() : flags.token === false ? null : undefined
  const { branch, username, forgetHosts } = flags
  const { body } = await api.ask('PUT', address`/api/project/${project.name}/remote`, {
    body: { url, branch, username, token, forgetHosts },
  })
  tell(cli, body)
}

/** `nodepilot remote new-secret`, `new-key`. */
export async function renew(cli: Cli, what: 'secret' | 'key'): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const { body } = await api.ask('POST', address`/api/project/${project.name}/remote/${what}`, { body: {} })
  tell(cli, body)
}

/** `nodepilot remote rm`. */
export async function remove(cli: Cli): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  await api.ask('DELETE', address`/api/project/${project.name}/remote`)
  if (cli.out.json) return cli.out.document({ removed: true })
  cli.out.line(`${project.name} is fetched from nowhere any more`)
}

/** `nodepilot remote deliveries`. */
export async function listDeliveries(cli: Cli): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const body = await api.get(address`/api/project/${project.name}/remote/deliveries`)
  if (cli.out.json) return cli.out.document(body)
  const rows = read(deliveries, body).deliveries.map((one) => [
    one.provider,
    one.event,
    one.ref?.replace(/^refs\/(heads|tags)\//, '') ?? '',
    one.deployment === null ? one.result : `deployment ${one.deployment}: ${one.status ?? one.result}`,
    one.reason ?? '',
    ago(one.receivedAt, cli.clock()),
  ])
  if (rows.length === 0) return cli.out.note('nothing was delivered yet')
  cli.out.table(['FROM', 'EVENT', 'REF', 'RESULT', 'REASON', 'WHEN'], rows)
}

function tell(cli: Cli, body: unknown): void {
  if (cli.out.json) {
    cli.out.document(body)
    return
  }
  const { remote: now, webhookSecret } = read(made, body)
  print(cli, now)
  if (webhookSecret === null) return
  cli.out.line(`secret    ${webhookSecret}`)
  cli.out.note('give the secret to the webhook now: it is not shown again')
}

function print(
  cli: Cli,
  { url, branch, hasToken, username, publicKey, webhookUrl, knownHosts }: Read<typeof remote>,
) {
  cli.out.line(`remote    ${url}`)
  cli.out.line(`branch    ${branch}`)
  if (hasToken) cli.out.line(`token     stored, for ${username}`)
  cli.out.line(`key       ${publicKey}`)
  for (const host of knownHosts) cli.out.line(`host      ${host}`)
  cli.out.line(`webhook   ${webhookUrl}`)
}
