import { address } from '../client/api.ts'
import { confirmByName } from '../client/confirm.ts'
import { projectOf } from '../client/project.ts'
import type { Cli } from '../client/session.ts'

/** `nodepilot delete shop`: nothing of it is left, so its name has to be typed. */
export async function remove(cli: Cli, name: string | undefined): Promise<void> {
  const { api, project } = await projectOf(cli, name)
  const warning = `${project.name} is deleted with its releases, data, logs, config vars and repository, for good.`
  await confirmByName(cli, warning, project.name)
  await api.ask('DELETE', address`/api/project/${project.name}`)
  if (cli.out.json) return cli.out.document({ deleted: project.name })
  cli.out.line(`${project.name} was deleted`)
}
