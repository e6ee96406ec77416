import { z } from 'zod'
import { Refusal } from '../domain/refusal.ts'
import type { Headers } from './signature.ts'

/** What a delivery says. */
export type HookEvent =
  | { readonly kind: 'ping' }
  | { readonly kind: 'push'; readonly ref: string; readonly sha: string | null; readonly deleted: boolean }
  | { readonly kind: 'other'; readonly name: string }

const push = z.object({
  ref: z.string().max(1000),
  after: z.string().max(100).nullish(),
  deleted: z.boolean().nullish(),
})

/**
 * Of GitHub, GitLab, Gitea and Forgejo, as JSON or as a form with the JSON in `payload`. Refuses with `malformed`
 * what is no event. Nothing of it is believed but which branch was pushed to: what is deployed is fetched.
 */
export function readHookEvent(headers: Headers, body: Buffer): HookEvent {
  const payload = parse(headers['content-type'] ?? '', body)
  const named =
    headers['x-github-event'] ??
    headers['x-gitea-event'] ??
    headers['x-forgejo-event'] ??
    headers['x-gogs-event'] ??
    headers['x-gitlab-event'] ??
    typeOf(payload)
  const name = named.toLowerCase().replace(/ hook$/, '')
  if (name === 'ping') return { kind: 'ping' }
  if (name !== 'push') return { kind: 'other', name: name.slice(0, 60) }
  const parsed = push.safeParse(payload)
  if (!parsed.success) throw malformed('a push event names no ref')
  const { ref, after, deleted } = parsed.data
  const sha = after && /^[0-9a-f]{40,64}$/.test(after) ? after : null
  const nothing = sha !== null && /^0+$/.test(sha)
  return { kind: 'push', ref, sha: nothing ? null : sha, deleted: deleted === true || nothing }
}

function parse(type: string, body: Buffer): unknown {
  const text = body.toString('utf8')
  const form = /^application\/x-www-form-urlencoded\b/i.test(type)
  try {
    return JSON.parse(form ? (new URLSearchParams(text).get('payload') ?? '') : text)
  } catch {
    throw malformed('the body is not valid JSON')
  }
}

/** Standard webhooks name the event in the body. */
function typeOf(payload: unknown): string {
  const type = (payload as { type?: unknown; object_kind?: unknown } | null)?.object_kind
  return typeof type === 'string' ? type : 'unnamed'
}

function malformed(why: string): Refusal {
  return new Refusal('malformed', why)
}
