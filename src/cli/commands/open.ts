import { address } from '../client/api.ts'
import { openInBrowser } from '../client/browser.ts'
import { projectOf } from '../client/project.ts'
import type { Cli } from '../client/session.ts'

/** `nodepilot open`: prints the address, and opens it where a person sits at the terminal. */
export async function open(
  cli: Cli,
  name: string | undefined,
  { panel }: { readonly panel?: boolean },
): Promise<void> {
  const { api, project } = await projectOf(cli, name)
  const url = panel ? new URL(address`/projects/${project.name}`, api.server).href : project.url
  if (cli.out.json) return cli.out.document({ url })
  cli.out.line(url)
  if (process.stdout.isTTY && !(await openInBrowser(url)))
    cli.out.note('no browser could be started; open it by hand')
}
