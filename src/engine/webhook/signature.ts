import { createHmac, timingSafeEqual } from 'node:crypto'

/** Headers in lower case. */
export type Headers = Readonly<Record<string, string | undefined>>

export type Provider = 'github' | 'gitea' | 'gitlab' | 'standard'

/** A delivery whose sender knows the secret. */
export interface Signed {
  readonly provider: Provider
  /** How the sender calls the delivery, where it does. */
  readonly id: string | null
}

/** Of standard webhooks: how far the time in a signature may be from ours, ms. */
const toleranceMs = 5 * 60_000

/**
 * Proves that a delivery comes from somebody who knows the secret; null where it does not, or where it is only signed
 * with SHA-1. The first of these that is there decides, and nothing weaker is looked at after it:
 * - `X-Hub-Signature-256` of GitHub (and of Gitea and Forgejo), HMAC-SHA-256 of the body;
 * - `X-Gitea-Signature`, `X-Forgejo-Signature`, `X-Gogs-Signature`, the same without `sha256=`;
 * - `Webhook-Signature` of GitLab and others (standardwebhooks.com), over id, time and body, with a time not far off;
 * - `X-Gitlab-Token`, the secret itself.
 */
export function verifySignature(headers: Headers, body: Buffer, secret: string, now: number): Signed | null {
  const id =
    headers['x-github-delivery'] ?? headers['x-gitea-delivery'] ?? headers['x-forgejo-delivery'] ?? null
  const hub = headers['x-hub-signature-256']
  if (hub !== undefined) {
    const provider = headers['x-gitea-event'] === undefined ? 'github' : 'gitea'
    return same(hub, `sha256=${hmac(secret, body)}`) ? { provider, id } : null
  }
  const gitea = headers['x-gitea-signature'] ?? headers['x-forgejo-signature'] ?? headers['x-gogs-signature']
  if (gitea !== undefined) return same(gitea, hmac(secret, body)) ? { provider: 'gitea', id } : null
  if (headers['webhook-signature'] !== undefined) return verifyStandard(headers, body, secret, now)
  const token = headers['x-gitlab-token']
  if (token === undefined || !same(token, secret)) return null
  return { provider: 'gitlab', id: headers['x-gitlab-event-uuid'] ?? null }
}

/**
 * Whether there can be a body that makes this delivery right, by its headers alone: what is refused here need not be
 * read.
 */
export function mayBeSigned(headers: Headers, secret: string, now: number): boolean {
  const hub = headers['x-hub-signature-256']
  if (hub !== undefined) return /^sha256=[0-9a-f]{64}$/.test(hub)
  const gitea = headers['x-gitea-signature'] ?? headers['x-forgejo-signature'] ?? headers['x-gogs-signature']
  if (gitea !== undefined) return /^[0-9a-f]{64}$/.test(gitea)
  if (headers['webhook-signature'] !== undefined) return standardTime(headers, now) !== null
  return same(headers['x-gitlab-token'] ?? '', secret)
}

/** Id and time of a standard webhook; null where they are none, or the time is too far off. */
function standardTime(headers: Headers, now: number): { readonly id: string; readonly time: string } | null {
  const { 'webhook-id': id = '', 'webhook-timestamp': time = '' } = headers
  if (id === '' || !/^\d{1,12}$/.test(time) || Math.abs(Number(time) * 1000 - now) > toleranceMs) return null
  return { id, time }
}

function verifyStandard(headers: Headers, body: Buffer, secret: string, now: number): Signed | null {
  const dated = standardTime(headers, now)
  if (!dated) return null
  const { id, time } = dated
  const signatures = headers['webhook-signature'] ?? ''
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : secret
  const wanted = createHmac('sha256', key).update(`${id}.${time}.`).update(body).digest('base64')
  // several while a secret is being changed
  const signed = signatures.split(' ', 10).some((one) => same(one, `v1,${wanted}`))
  const provider = headers['x-gitlab-event'] === undefined ? 'standard' : 'gitlab'
  return signed ? { provider, id } : null
}

function hmac(secret: string, body: Buffer): string {
  return createHmac('sha256', secret).update(body).digest('hex')
}

/** In the same time wherever they differ. */
function same(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}
