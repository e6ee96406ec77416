/** One run of a scheduled job. */
export interface CronRun {
  readonly id: number
  readonly projectId: number
  /** The name of the job. */
  readonly job: string
  readonly command: string
  /** `schedule`, or who started it by hand. */
  readonly by: string
  readonly status: CronRunStatus
  /** The live release when it started; null until then. */
  readonly release: number | null
  /** When the schedule wanted it; null: by hand. */
  readonly scheduledAt: string | null
  readonly queuedAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  /** null: it did not end by itself, or has not ended. */
  readonly exitCode: number | null
  /** Why it failed, where the exit code does not say it. */
  readonly error: { readonly code: string; readonly message: string } | null
  /** How often the schedule came round meanwhile. */
  readonly skipped: number
}

export const cronRunStatuses = [
  'queued',
  'running',
  'succeeded',
  'failed',
  'cancelled',
  'interrupted',
] as const

/** `interrupted`: the server ended in the middle of it. */
export type CronRunStatus = (typeof cronRunStatuses)[number]

/** How a run ended. */
export interface CronOutcome {
  readonly status: Exclude<CronRunStatus, 'queued' | 'running'>
  readonly exitCode?: number | null
  readonly error?: CronRun['error']
}
