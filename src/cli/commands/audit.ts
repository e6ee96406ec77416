import type { Cli } from '../client/session.ts'
import { listOf, nullable, object, type Reader, read, text } from '../client/shape.ts'

/** A name, or somebody or something that has one. */
const named: Reader<string> = (value, at) => {
  if (typeof value === 'string') return text(value, at)
  if (typeof value === 'number') return String(value)
  return typeof value === 'object' && value !== null && 'name' in value ? text(value.name, at) : ''
}

const entry = object({
  at: nullable(text),
  time: nullable(text),
  who: nullable(named),
  action: text,
  project: nullable(named),
  address: nullable(text),
})
const lists = object({ entries: nullable(listOf(entry)), audit: nullable(listOf(entry)) })

/** `nodepilot audit`: the newest first. */
export async function audit(
  cli: Cli,
  { limit, user }: { readonly limit: number; readonly user?: string },
): Promise<void> {
  const api = await cli.connect()
  const body = await api.get('/api/audit', { limit: Math.min(limit, 200), user, project: cli.flags.project })
  if (cli.out.json) return cli.out.document(body)
  const found = read(lists, body)
  const rows = (found.entries ?? found.audit ?? []).map((one) => [
    one.at ?? one.time ?? '',
    one.who ?? '',
    one.action,
    one.project ?? '',
    one.address ?? '',
  ])
  if (rows.length === 0)
    return cli.out.note('nothing of this kind was written down; all of it: nodepilot audit')
  cli.out.table(['WHEN', 'WHO', 'WHAT', 'PROJECT', 'FROM'], rows)
}
