import type { Cli } from '../client/session.ts'
import { read } from '../client/shape.ts'
import { signedIn } from '../client/shapes.ts'

/** `nodepilot whoami`. */
export async function whoami(cli: Cli): Promise<void> {
  const api = await cli.connect()
  const body = await api.get('/api/auth/verify')
  const { user } = read(signedIn, body)
  if (cli.out.json) return cli.out.document({ server: api.server, ...(body as object) })
  cli.out.line(`${user.username} (${user.role}) at ${api.server}`)
}
