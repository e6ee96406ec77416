import type { Answer } from './ask.ts'
import type { Pilot } from './pilot.ts'

/** The parts of the API's answers that tests look at. */
export interface ShownProject {
  readonly sleeping: boolean
  readonly id: number
  readonly name: string
  readonly displayName: string
  readonly status: 'running' | 'stopped' | 'error'
  readonly deploying: boolean
  readonly port: number
  readonly release: number | null
  readonly deployBranch: string
  readonly instances: readonly { readonly pid: number; readonly port: number; readonly restarts: number }[]
}

export interface ShownDeployment {
  readonly number: number
  readonly status: string
  readonly release: number | null
  readonly source: { readonly kind: string; readonly revision: string; readonly message: string | null }
  readonly steps: readonly { readonly name: string; readonly status: string }[]
  readonly error: { readonly code: string; readonly message: string; readonly hint: string | null } | null
  readonly finishedAt: string | null
}

export interface ShownProblem {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly hint?: string
  readonly errors?: readonly { readonly field: string; readonly message: string }[]
  readonly deployment?: ShownDeployment
}

export async function projectOf(pilot: Pilot, name: string): Promise<ShownProject> {
  return answered(await pilot.api(`/api/project/${name}`)).json<{ project: ShownProject }>().project
}

/** Newest first. */
export async function deploymentsOf(pilot: Pilot, name: string): Promise<readonly ShownDeployment[]> {
  const answer = answered(await pilot.api(`/api/project/${name}/deployments`))
  return answer.json<{ deployments: ShownDeployment[] }>().deployments
}

/** The answer itself, when it is a good one. */
export function answered(answer: Answer, status = 200): Answer {
  if (answer.status === status) return answer
  throw new Error(`wanted ${status}, got ${answer.status}: ${answer.text}`)
}

/** A multipart form: fields, and an archive under the name its ending should have. */
export function form(
  fields: Readonly<Record<string, string>>,
  file?: Uint8Array,
  filename = 'app.zip',
): FormData {
  const data = new FormData()
  for (const [name, value] of Object.entries(fields)) data.append(name, value)
  if (file) data.append('file', new Blob([new Uint8Array(file)]), filename)
  return data
}
