import type { HttpBindings } from '@hono/node-server'
import type { Limits } from '../config.ts'
import type { Addresses, Report } from '../engine/context.ts'
import type { Actor } from '../engine/domain/access.ts'
import type { Who } from '../engine/domain/audit.ts'
import type { Engine } from '../engine/engine.ts'
import type { AccountCases } from '../engine/use-cases/accounts.ts'

import type { KeptAnswers } from './kept-answer.ts'
import type { SocketWork } from './live/upgrade.ts'
import type { TokenProof } from './verified-tokens.ts'

/** What the web's handlers work with. */
export interface Services {
  readonly engine: Engine
  readonly accounts: AccountCases
  readonly addresses: Addresses
  readonly limits: Limits
  /** Where uploads wait until they are unpacked. */
  readonly uploads: string
  /** Signs sessions. */
  readonly jwtKey: string
  /** What a session's token says, null unless it is ours and lasts. */
  readonly proveToken: TokenProof
  readonly version: string
  readonly pm2Version: string
  readonly report: Report
  /** For what many ask: made anew only when something has changed. */
  readonly kept: KeptAnswers
  /** How often viewers of what is live are asked again for their rights, ms; half a minute without it. */
  readonly recheckMs?: number
  /** Each part's state for `/health`. */
  readonly health: () => Promise<Readonly<Record<string, boolean>>>
}

/** Hono's types for our handlers. */
export interface Env {
  /** `upgrade` is there when the connection asks to become a WebSocket; calling it agrees. */
  Bindings: HttpBindings & { readonly upgrade?: (work: SocketWork) => void }
  Variables: { actor: Actor; who: Who; requestId: string }
}
