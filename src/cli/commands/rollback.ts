import { address } from '../client/api.ts'
import { finish } from '../client/deployment.ts'
import { usage } from '../client/failure.ts'
import type { Cli } from '../client/session.ts'

/** `nodepilot rollback v41 -p shop`: without a release, the one before. */
export async function rollback(
  cli: Cli,
  release: string | undefined,
  { restoreConfig }: { readonly restoreConfig?: boolean },
): Promise<void> {
  const number = release === undefined ? undefined : parseRelease(release)
  const project = await cli.project()
  const api = await cli.connect()
  const { body } = await api.ask('POST', address`/api/project/${project}/rollback`, {
    headers: { prefer: 'respond-async' },
    body: {
      ...(number === undefined ? {} : { release: number }),
      ...(restoreConfig ? { restoreEnv: true } : {}),
    },
  })
  await finish(cli, api, body)
}

function parseRelease(text: string): number {
  const number = /^v?([1-9]\d{0,8})$/.exec(text)?.[1]
  if (number) return Number(number)
  throw usage(`${text} is not a release; one is written v12`, 'nodepilot releases lists them')
}
