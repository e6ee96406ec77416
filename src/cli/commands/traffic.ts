import { address } from '../client/api.ts'
import { projectOf } from '../client/project.ts'
import type { Cli } from '../client/session.ts'
import { boolean, listOf, nullable, number, object, read, text } from '../client/shape.ts'
import { ago, bytes, duration } from '../client/words.ts'

const shape = object({
  releases: listOf(
    object({
      release: number,
      current: boolean,
      since: nullable(text),
      requests: number,
      errors: number,
      bytesOut: number,
      p50Ms: nullable(number),
      p95Ms: nullable(number),
    }),
  ),
})

/** `nodepilot traffic`: what each release was asked, the live one beside those before it. */
export async function traffic(cli: Cli): Promise<void> {
  const { api, project } = await projectOf(cli, undefined)
  const body = await api.get(address`/api/project/${project.name}/traffic`)
  if (cli.out.json) return cli.out.document(body)
  const { releases } = read(shape, body)
  if (releases.length === 0) return cli.out.note('Nobody has asked for it yet.')
  const ms = (value: number | null) => (value === null ? '-' : duration(value))
  const share = (errors: number, requests: number) =>
    requests === 0 ? '-' : `${Math.round((errors / requests) * 1000) / 10} %`
  cli.out.table(
    ['RELEASE', 'LIVE SINCE', 'REQUESTS', 'ERRORS', 'HALF WITHIN', '95 % WITHIN', 'SENT'],
    releases.map((one) => [
      `v${one.release}${one.current ? ' (live)' : ''}`,
      ago(one.since, cli.clock()),
      `${one.requests}`,
      share(one.errors, one.requests),
      ms(one.p50Ms),
      ms(one.p95Ms),
      bytes(one.bytesOut),
    ]),
  )
}
