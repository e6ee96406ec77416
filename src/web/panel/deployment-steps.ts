import { type Deployment, stepNames } from '../../engine/domain/deployment.ts'

/** A step as the page lists it; those still to come are there from the beginning, but for `Release`, which few have. */
export interface StepView {
  readonly name: string
  readonly status: 'running' | 'done' | 'failed' | 'skipped' | 'waiting'
  readonly note: string
  readonly ms: number | null
  /** ISO 8601: when the one under way began. */
  readonly since: string | null
}

export function stepViews({ steps, startedAt, finishedAt }: Deployment): StepView[] {
  const done = steps.reduce((sum, step) => sum + (step.ms ?? 0), 0)
  const known = new Map(steps.map((step) => [step.name, step]))
  return stepNames.flatMap((name): StepView[] => {
    const step = known.get(name)
    if (!step && name === 'Release') return []
    if (!step)
      return [{ name, status: finishedAt === null ? 'waiting' : 'skipped', note: '', ms: null, since: null }]
    const since = step.status === 'running' ? new Date(Date.parse(startedAt) + done).toISOString() : null
    return [{ name, status: step.status, note: step.note, ms: step.ms, since }]
  })
}
