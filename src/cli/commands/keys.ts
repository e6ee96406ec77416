import type { Cli } from '../client/session.ts'
import { number, object, read } from '../client/shape.ts'

/** `nodepilot keys rotate`. */
export async function rotate(cli: Cli): Promise<void> {
  const api = await cli.connect()
  const { body } = await api.ask('POST', '/api/system/keys/rotate')
  if (cli.out.json) return cli.out.document(body)
  const { sealed } = read(object({ sealed: number }), body)
  cli.out.line(`config vars of ${sealed} projects and releases are sealed with a new key`)
  cli.out.note('make a backup, and keep a copy of keys/ elsewhere; older keys stay for older backups')
}
