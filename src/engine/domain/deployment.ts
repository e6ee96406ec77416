import type { SourceKind } from '../ports.ts'
import type { Comparison } from './comparison.ts'

export type DeploymentStatus =
  | 'queued'
  | 'running'
  | 'live'
  | 'failed'
  | 'cancelled'
  | 'superseded'
  /** Was live until a newer release took over. */
  | 'retired'

/**
 * The steps of a deployment, in order; what is not needed is `skipped`, never missing. Only `Release` is there
 * just where a Procfile has such a line.
 */
export const stepNames = ['Receive', 'Install', 'Build', 'Release', 'Start', 'Health'] as const
export type StepName = (typeof stepNames)[number]
export type StepStatus = 'running' | 'done' | 'failed' | 'skipped'

export interface Step {
  readonly name: StepName
  readonly status: StepStatus
  readonly ms: number | null
  readonly note: string
}

/** One attempt to make something live. */
export interface Deployment {
  readonly id: number
  readonly projectId: number
  /** Rises by one in a project. */
  readonly number: number
  readonly status: DeploymentStatus
  readonly source: { readonly kind: SourceKind; readonly revision: string; readonly message: string | null }
  /** The release it made; null unless it went live. */
  readonly release: number | null
  readonly startedAt: string
  readonly finishedAt: string | null
  readonly steps: readonly Step[]
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null
  /** Who asked for it. */
  readonly by: string
  /** How its release did beside the one before it; null: it did not go live, or there was none before. */
  readonly comparison: Comparison | null
}
