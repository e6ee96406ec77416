import type { SourceKind } from '../ports.ts'
import type { StoredVars, VarScopes } from './config-vars.ts'
import type { Commands } from './process.ts'
import type { ReleasePlan } from './release-plan.ts'

/** A numbered pair of slug and config-var snapshot; never edited. */
export interface Release extends Commands, StoredVars {
  readonly projectId: number
  readonly number: number
  /** The number of the deployment that made it. */
  readonly deployment: number
  /** The release whose directory holds the files: its own number, or, after a rollback, an older one. */
  readonly slug: number
  readonly source: { readonly kind: SourceKind; readonly revision: string; readonly message: string | null }
  readonly plan: ReleasePlan
  readonly createdAt: string
  /** When its slug was removed from disk; null while it can be rolled back to. */
  readonly prunedAt: string | null
}

/** One that is about to be written down. */
export interface NewRelease
  extends Omit<Release, 'createdAt' | 'prunedAt' | 'lockedVars' | 'readableVars' | 'envScopes'> {
  readonly envScopes?: VarScopes
}
