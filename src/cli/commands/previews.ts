import { address } from '../client/api.ts'
import { projectOf } from '../client/project.ts'
import type { Cli } from '../client/session.ts'
import { listOf, nullable, number, object, read, text } from '../client/shape.ts'

const previews = object({
  previews: listOf(
    object({ name: text, branch: text, url: text, status: text, release: nullable(number), expiresAt: text }),
  ),
})

/** `nodepilot previews`: the branches that are deployed beside a project. */
export async function list(cli: Cli, name: string | undefined): Promise<void> {
  const { api, project } = await projectOf(cli, name)
  const body = await api.get(address`/api/project/${project.name}/previews`)
  if (cli.out.json) return cli.out.document(body)
  const rows = read(previews, body).previews.map((one) => [
    one.branch,
    one.release === null ? 'nothing is live' : `${one.status}, v${one.release}`,
    one.expiresAt.slice(0, 10),
    one.url,
  ])
  if (rows.length === 0) {
    return cli.out.note('there are none: set previews to true for the project, then push another branch')
  }
  cli.out.table(['BRANCH', 'STATUS', 'UNUSED UNTIL', 'ADDRESS'], rows)
}
