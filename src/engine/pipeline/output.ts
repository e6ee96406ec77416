import { type StepName, stepNames } from '../domain/deployment.ts'
import type { Refusal } from '../domain/refusal.ts'

/**
 * The words people read while they deploy. Plain text, at most 72 columns: git adds "remote: " and colours a
 * leading `error:`, `hint:`, `warning:` or `success:` itself.
 */

const width = 72
/** So that a line fits with its number, name, time and `FAILED`. */
const noteWidth = 41
const mark = '  | '

/** `NodePilot  shop-api  9f3c2ab "Fix cart total"` */
export function header(project: string, label: string, message: string | null): string {
  const start = `NodePilot  ${project}  ${oneLine(label)}`
  return message ? `${start} ${cut(`"${oneLine(message)}`, Math.max(width - start.length - 2, 20))}"` : start
}

/** Steps that every deployment has; one that only some have stands between them without a number. */
const numbered: readonly StepName[] = stepNames.filter((name) => name !== 'Release')

/** `[3/5] Build     npm run build                  7.4s  FAILED` */
export function stepLine(name: StepName, note: string, ms: number, failed = false): string {
  const number = numbered.indexOf(name) + 1
  const position = number > 0 ? `[${number}/${numbered.length}]` : '     '
  const line = `${position} ${name.padEnd(10)}${cut(note, noteWidth).padEnd(30)} ${seconds(ms).padStart(6)}`
  return failed ? `${line}  FAILED` : line
}

/** A line of a step's own output. */
export function quoted(line: string): string {
  return `${mark}${line}`
}

export function success(release: number, ms: number): string {
  return `success: v${release} is live (${seconds(ms)})`
}

export interface Live {
  /** As it was before. */
  readonly project: { readonly name: string; readonly currentRelease: number | null }
  readonly release: number
  readonly ms: number
  readonly addresses: { app(project: string): string; panel(): string }
  readonly maintenance: boolean
}

/** That it is live, where, how to go back, and what still keeps visitors from it. */
export function liveLines({ project, release, ms, addresses, maintenance }: Live): string[] {
  const { name, currentRelease: before } = project
  return [
    success(release, ms),
    `  App    ${addresses.app(name)}`,
    `  Logs   ${addresses.panel()}/projects/${name}/logs`,
    ...(before === null ? [] : [`  Undo   nodepilot rollback v${before} -p ${name}`]),
    ...(maintenance ? [`  Note   in maintenance until: nodepilot maintenance off -p ${name}`] : []),
  ]
}

/** The cause, its facts and the next step. Exactly one line begins with `error:`. */
export function failure(refusal: Refusal): string[] {
  return [
    `error: ${refusal.code}: ${oneLine(refusal.message)}`,
    ...refusal.lines.map((line) => `  ${line}`),
    ...(refusal.hint ? [`hint: ${oneLine(refusal.hint)}`] : []),
  ]
}

/** `0.3s`, `15.6s` */
export function seconds(ms: number): string {
  return `${(Math.max(ms, 0) / 1000).toFixed(1)}s`
}

/** `1.2 MB` */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length)
  return `${(bytes / 1000 ** power).toFixed(1)} ${units[power - 1]}`
}

/**
 * The line as the git client shows it: no colours, no control characters, folded at 72 columns with the
 * quote mark repeated. Addresses stay whole, so that they can be clicked.
 */
export function forTerminal(line: string): string[] {
  const plain = line.replace(ansi, '').replace(/\t/g, '    ').replace(control, '')
  if (plain.length <= width || address.test(plain)) return [plain]
  const indent = plain.startsWith(mark) ? mark : '  '
  return fold(plain, indent)
}

/** An address, or `  Logs   <address>`. */
const address = /^\s*(?:\w+ +)?https?:\S+$/

function fold(line: string, indent: string): string[] {
  const lines: string[] = []
  let rest = line
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width)
    const at = space > indent.length + 20 ? space : whole(rest, width)
    lines.push(rest.slice(0, at).trimEnd())
    rest = indent + rest.slice(at).trimStart()
  }
  return [...lines, rest]
}

/** On one line, with … where something is left out. */
export function cut(text: string, columns = width): string {
  const line = oneLine(text)
  return line.length <= columns ? line : `${line.slice(0, whole(line, columns - 1))}…`
}

/** Where to cut so that no character outside the basic plane (an emoji) is torn in two. */
function whole(text: string, at: number): number {
  return /[\ud800-\udbff]/.test(text[at - 1] ?? '') ? at - 1 : at
}

function oneLine(text: string): string {
  return text.replace(ansi, '').replace(/\s+/g, ' ').replace(control, '').trim()
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be removed
const ansi = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be removed
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g
