import type { SourceKind } from '../ports.ts'
import type { Commands } from './process.ts'
import type { ReleasePlan } from './release-plan.ts'

/** A numbered pair of slug and config-var snapshot; never edited. */
export interface Release extends Commands {
  readonly projectId: number
  readonly number: number
  /** The number of the deployment that made it. */
  readonly deployment: number
  /** The release whose directory holds the files: its own number, or, after a rollback, an older one. */
  readonly slug: number
  readonly source: { readonly kind: SourceKind; readonly revision: string; readonly message: string | null }
  readonly envVars: Readonly<Record<string, string>>
  readonly plan: ReleasePlan
  readonly createdAt: string
  /** When its slug was removed from disk; null while it can be rolled back to. */
  readonly prunedAt: string | null
}
