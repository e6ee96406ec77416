import { Failure } from '../client/failure.ts'

/** What `nodepilot doctor` has to say about one thing. */
export interface Finding {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'failed'
  readonly says: string
  readonly hint?: string
}

/** What could not even be looked at. */
export function failed(check: string, error: unknown): Finding {
  if (!(error instanceof Failure)) throw error
  return { check, state: 'failed', says: error.message, hint: error.hint }
}
