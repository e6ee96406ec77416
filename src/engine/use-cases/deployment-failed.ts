import type { Refusal } from '../domain/refusal.ts'

/** A deployment that failed: the cause, and the number under which its log is kept. */
export class DeploymentFailed extends Error {
  override readonly name = 'DeploymentFailed'
  readonly refusal: Refusal
  readonly projectId: number
  readonly number: number

  constructor(refusal: Refusal, projectId: number, number: number) {
    super(refusal.message, { cause: refusal })
    this.refusal = refusal
    this.projectId = projectId
    this.number = number
  }
}
