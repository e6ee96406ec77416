import type { Deployment } from '../../engine/domain/deployment.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import type { Services } from '../services.ts'
import { type PaneLine, textLine } from './log-pane.ts'

/** A page is no place for fifty megabytes: the whole log is there to download. */
const mostLines = 2_000

export interface Output {
  readonly lines: readonly OutputLine[]
  /** How many lines stand before the first one. */
  readonly skipped: number
}

/** Numbered from 1, in the whole log. */
export type OutputLine = PaneLine & { readonly number: number }

/** The last lines that a deployment has written so far. */
export async function deploymentOutput(
  { engine }: Services,
  project: ProjectRow,
  deployment: Pick<Deployment, 'number'>,
): Promise<Output> {
  const last: OutputLine[] = []
  let number = 0
  for await (const line of engine.deployments.log(project, deployment.number, AbortSignal.abort())) {
    number++
    last.push({ ...textLine(line), number })
    if (last.length > mostLines * 2) last.splice(0, mostLines)
  }
  const lines = last.slice(-mostLines)
  return { lines, skipped: (lines[0]?.number ?? 1) - 1 }
}

/** The output in the pane: what there is, and where the events go on. */
export function outputPane(project: ProjectRow, { number, finishedAt, status }: Deployment, output: Output) {
  const log = `/api/project/${project.name}/deployments/${number}/log`
  return {
    source: `${log}?follow=1&batch=1`,
    after: output.lines.at(-1)?.number ?? 0,
    ended: finishedAt !== null,
    lines: output.lines.map((line) => ({ ...line, err: isError(line.text) })),
    download: `/projects/${project.name}/deploys/${number}/output`,
    label: 'Output',
    status: statusWords(
      output.lines.length === 0 && finishedAt !== null
        ? 'the output is not kept any more'
        : finishedAt !== null
          ? `ended: ${status === 'retired' ? 'live' : status}`
          : 'under way',
      output.skipped,
    ),
  }
}

function statusWords(words: string, skipped: number): string {
  return skipped > 0 ? `${words}; ${skipped} earlier lines are in the download` : words
}

/** Our own verdict, and what compilers and npm call an error. */
function isError(text: string): boolean {
  return /^error: \w+:|\b(error|ERR!)\b/.test(text)
}
