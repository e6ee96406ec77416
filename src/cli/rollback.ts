import { z } from 'zod'
import { type Flags, readHome } from '../config.ts'
import { Refusal } from '../engine/domain/refusal.ts'
import { createPaths } from '../engine/paths.ts'
import { findServer } from './running-server.ts'

const done = z.object({ project: z.object({ release: z.number(), url: z.string() }) })
const problem = z.object({ detail: z.string(), hint: z.string().optional() })

/** `nodepilot rollback v41 -p shop`: over the public API, with the token in NODEPILOT_TOKEN. */
export async function rollback(
  flags: Flags,
  release: string | undefined,
  options: { readonly project: string; readonly server?: string },
): Promise<void> {
  const number = release === undefined ? undefined : parseRelease(release)
  const token = process.env.NODEPILOT_TOKEN
  if (!token)
    throw new Refusal('unauthorized', 'NODEPILOT_TOKEN is not set', {
      hint: 'make a token: POST /api/auth/tokens',
    })
  const server = options.server ?? (await findServer(createPaths(readHome(process.env, flags))))?.url
  if (!server) throw new Refusal('invalid', 'which server?', { hint: 'give --server or NODEPILOT_URL' })
  const answer = await fetch(
    new URL(`/api/project/${encodeURIComponent(options.project)}/rollback`, server),
    {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(number === undefined ? {} : { release: number }),
    },
  ).catch((error: unknown) => {
    throw new Refusal('unavailable', `${server} does not answer`, {
      hint: 'is it the right address?',
      cause: error,
    })
  })
  const body: unknown = await answer.json().catch(() => null)
  if (!answer.ok) {
    const { detail, hint } = problem.catch({ detail: `the server answered ${answer.status}` }).parse(body)
    throw new Refusal('invalid', detail, hint === undefined ? {} : { hint })
  }
  const { project } = done.parse(body)
  process.stdout.write(`v${project.release} is live: ${project.url}\n`)
}

function parseRelease(text: string): number {
  const number = /^v?(\d+)$/.exec(text)?.[1]
  if (number) return Number(number)
  throw new Refusal('invalid', `${text} is not a release`, { hint: 'a release is written v12' })
}
