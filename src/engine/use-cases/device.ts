import type { Actor } from '../domain/access.ts'
import { type Audit, whoOf } from '../domain/audit.ts'
import { Refusal } from '../domain/refusal.ts'
import { randomCode, randomToken, sha256 } from '../domain/secrets.ts'
import type { DeviceRow } from '../store/devices.ts'
import type { Store } from '../store/store.ts'
import type { SignedIn, SignInFrom } from './sessions.ts'
import type { Throttle } from './throttle.ts'

/** How long somebody has to open the page and compare the code. */
const requestMs = 10 * 60_000
export const deviceIntervalMs = 2_000
const mostFromOneAddress = 10
const most = 500

export interface DeviceRequest {
  /** Only the command line that asked has it. */
  readonly deviceCode: string
  /** What a person compares. */
  readonly userCode: string
  readonly expiresAt: string
}

/**
 * Signing in a command line without giving it a password (RFC 8628): it shows a code, a person who is signed in
 * compares it and lets it in, and the command line, which has asked all the while, is given a session.
 */
export function createDeviceCases(deps: {
  readonly store: Store
  readonly clock: () => number
  readonly throttle: Throttle
  readonly audit: Audit
  readonly startSession: (user: SignedIn['user'], from: SignInFrom) => SignedIn
}) {
  const { store, clock, throttle, audit } = deps
  const { devices } = store
  const gone = () =>
    new Refusal('not_found', 'this sign-in is not waiting (any more)', {
      hint: 'run "nodepilot login" again',
    })

  const answer = (actor: Actor, code: string, status: 'approved' | 'denied', address: string): void => {
    const request = devices.byCode(tidy(code))
    if (!request || !devices.answer(request.userCode, status, actor.userId)) throw gone()
    const action = status === 'approved' ? 'session.approve' : 'session.deny'
    audit({ who: whoOf(actor, address), action, after: { name: request.name, address: request.address } })
  }

  return {
    /** Refuses with `too_many_requests` where too many wait. */
    ask(input: {
      readonly name: string
      readonly address: string
      readonly userAgent: string
    }): DeviceRequest {
      const { everybody, here } = devices.waiting(input.address)
      if (here >= mostFromOneAddress || everybody >= most) {
        throw new Refusal('too_many_requests', 'too many sign-ins wait for an answer', { retryAfter: 60 })
      }
      const deviceCode = randomToken()
      const userCode = randomCode()
      const expiresAt = new Date(clock() + requestMs).toISOString()
      const { name, address } = input
      const userAgent = input.userAgent.slice(0, 300)
      devices.create({ deviceHash: sha256(deviceCode), userCode, name, address, userAgent, expiresAt })
      return { deviceCode, userCode, expiresAt }
    },

    /** What waits under this code; null when nothing does. Guessing is throttled. */
    find(code: string, address: string): DeviceRow | null {
      throttle.check('device', address)
      const request = devices.byCode(tidy(code))
      if (request?.status !== 'pending') {
        throttle.fail('device', address)
        return null
      }
      return request
    },

    approve: (actor: Actor, code: string, address: string) => answer(actor, code, 'approved', address),
    deny: (actor: Actor, code: string, address: string) => answer(actor, code, 'denied', address),

    /** null while nobody has answered; then the session, once. Refuses with `forbidden` or `not_found`. */
    collect(deviceCode: string): SignedIn | null {
      const request = devices.byHash(sha256(deviceCode))
      if (!request) throw gone()
      if (request.status === 'pending') return null
      if (!devices.remove(request.deviceHash)) throw gone()
      const user = request.userId === null ? null : store.accounts.user(request.userId)
      if (request.status === 'denied' || !user) {
        throw new Refusal('forbidden', 'the sign-in was denied', { hint: 'run "nodepilot login" again' })
      }
      const { name, address, userAgent } = request
      return deps.startSession(user, { kind: 'cli', name, address, userAgent })
    },
  }
}

/** As people type it: any case, spaces, with or without the dash. */
function tidy(code: string): string {
  const letters = code.toUpperCase().replace(/[^A-Z0-9]/g, '')
  return `${letters.slice(0, 4)}-${letters.slice(4, 8)}`
}
