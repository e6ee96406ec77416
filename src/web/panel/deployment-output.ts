import { stripVTControlCharacters } from 'node:util'
import type { Deployment } from '../../engine/domain/deployment.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import type { Services } from '../services.ts'

/** A page is no place for fifty megabytes: the whole log is there to download. */
const mostLines = 2_000
const longestLine = 2_000

export interface Output {
  readonly lines: readonly OutputLine[]
  /** How many lines stand before the first one. */
  readonly skipped: number
}

export interface OutputLine {
  /** From 1, in the whole log. */
  readonly number: number
  readonly text: string
}

/** The last lines that a deployment has written so far, without the colours of terminals. */
export async function deploymentOutput(
  { engine }: Services,
  project: ProjectRow,
  deployment: Pick<Deployment, 'number'>,
): Promise<Output> {
  const last: OutputLine[] = []
  let number = 0
  for await (const line of engine.deployments.log(project, deployment.number, AbortSignal.abort())) {
    number++
    last.push({ number, text: plain(line) })
    if (last.length > mostLines * 2) last.splice(0, mostLines)
  }
  const lines = last.slice(-mostLines)
  return { lines, skipped: (lines[0]?.number ?? 1) - 1 }
}

/** Without escape sequences and other control characters, which are not for people. */
function plain(line: string): string {
  return stripVTControlCharacters(line.slice(0, longestLine)).replace(/(?!\t)\p{Cc}/gu, '')
}
