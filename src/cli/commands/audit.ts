import type { Cli } from '../client/session.ts'
import { listOf, nullable, object, read, text } from '../client/shape.ts'

const entry = object({
  time: text,
  who: text,
  action: text,
  project: nullable(text),
  address: nullable(text),
})
const entries = object({ entries: listOf(entry) })

/** `nodepilot audit`: the newest first. */
export async function audit(
  cli: Cli,
  { limit, user }: { readonly limit: number; readonly user?: string },
): Promise<void> {
  const api = await cli.connect()
  const body = await api.get('/api/audit', { limit: Math.min(limit, 200), user, project: cli.flags.project })
  if (cli.out.json) return cli.out.document(body)
  const rows = read(entries, body).entries.map((one) => [
    one.time,
    one.who,
    one.action,
    one.project ?? '',
    one.address ?? '',
  ])
  if (rows.length === 0)
    return cli.out.note('nothing of this kind was written down; all of it: nodepilot audit')
  cli.out.table(['WHEN', 'WHO', 'WHAT', 'PROJECT', 'FROM'], rows)
}
