import type { Deployment } from '../../engine/domain/deployment.ts'
import type { Output, OutputLine } from './deployment-output.ts'

/** Why a deployment failed, for the top of its page. */
export interface Cause {
  readonly step: string | null
  readonly code: string
  readonly sentence: string
  readonly hint: string | null
  /** What else is known, such as the port it listens on instead. */
  readonly facts: readonly string[]
  /** The release that served while this one failed: `v4`. */
  readonly served: string | null
  /** The line of the output that says it best. */
  readonly line: OutputLine | null
  /** The whole of it as text, to be sent to somebody. */
  readonly report: string
}

export function deploymentCause(deployment: Deployment, output: Output | null): Cause | null {
  const { error, steps, status } = deployment
  if (!error || status === 'live' || status === 'retired') return null
  const step = steps.find((one) => one.status === 'failed')?.name ?? null
  const line = status === 'failed' && output ? tellingLine(output.lines) : null
  return {
    step,
    code: error.code,
    sentence: error.message,
    hint: error.hint,
    ...verdictOf(output?.lines ?? []),
    line: line && { ...line, text: line.text.replace(/^\s*\| ?/, '').trim() },
    report: reportOf(deployment, step, output),
  }
}

/** NodePilot's own last words: `error: …`, indented facts, `hint: …`, what is still live. */
function verdictOf(lines: readonly OutputLine[]): Pick<Cause, 'facts' | 'served'> {
  const texts = lines.map(({ text }) => text)
  const words = texts.slice(texts.findLastIndex((text) => verdict.test(text)) + 1 || texts.length)
  const end = words.findIndex((text) => /^hint: |^ {2}.* Full output:$/.test(text))
  const served = words.map((text) => /^ {2}(v\d+) is still live\. Full output:$/.exec(text)?.[1])
  return {
    facts: words.slice(0, Math.max(end, 0)).map((text) => text.trim()),
    served: served.find(Boolean) ?? null,
  }
}

const verdict = /^error: \w+: /

/** Lines are anybody's, thousands of them and long: each pattern must be done in one pass. */
const telling = [
  // compilers and bundlers name the place
  /(?<=[\w./@-])\.(?:[cm]?[jt]sx?|vue|svelte|css|json)[:(]\d/,
  /^\W*(?:\w*Error|error)\b.*\S/,
  /\berror\b[: ]/i,
]

/** The first line that names a place or an error, before NodePilot's own verdict. */
function tellingLine(lines: readonly OutputLine[]): OutputLine | null {
  const last = lines.findLastIndex(({ text }) => verdict.test(text))
  const before = lines.slice(0, last === -1 ? lines.length : last)
  const candidates = before.filter(
    ({ text }) => /error|fail|cannot|not found|denied/i.test(text) && !isCommand(text),
  )
  for (const pattern of telling) {
    const found = candidates.find(
      ({ text }) => pattern.test(text) && !/^\W*(npm )?(ERR!|error) (code|errno|path)\b/i.test(text),
    )
    if (found) return found
  }
  return null
}

/** npm repeats the command it runs: `  | > tsc -p .` */
function isCommand(text: string): boolean {
  return /^\s*\|?\s*[>$] /.test(text)
}

function reportOf(deployment: Deployment, step: string | null, output: Output | null): string {
  const { number, source, error, startedAt } = deployment
  const last = output?.lines.slice(-40).map(({ text }) => text) ?? []
  return [
    `Deploy #${number}, ${source.revision}, ${startedAt}`,
    `${error?.code}${step ? ` in ${step}` : ''}: ${error?.message}`,
    ...(error?.hint ? [error.hint] : []),
    '',
    ...last,
  ].join('\n')
}
