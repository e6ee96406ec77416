import type { Redactor } from '../domain/redact.ts'
import type { LogLine } from '../ports.ts'

/** A project's log: its files, and what is hidden of what a release wrote into them. */
export interface AppLog {
  readonly directory: string
  readonly hiding: Hiding
}

/** Asked for every line: the same release gives the same redactor. */
export type Hiding = (release: number) => Redactor

export interface AppLogLine extends LogLine {
  readonly generation: number
}

/** Which lines are wanted, whichever way they come. */
export interface LogFilter {
  readonly type?: string | undefined
  /** `web.1` */
  readonly instance?: string | undefined
  readonly stream?: 'out' | 'err' | undefined
  /** ISO 8601; only later ones. */
  readonly since?: string | undefined
  /** Only lines that contain this, whatever the case. */
  readonly search?: string | undefined
  /** Only this generation of processes. */
  readonly generation?: number | undefined
}

export interface LogQuery extends LogFilter {
  /** At most this many, the newest. */
  readonly lines: number
}

export function lineFilter(filter: LogFilter): (line: AppLogLine) => boolean {
  const { stream, generation } = filter
  const ofInstance = instanceFilter(filter)
  const since = filter.since === undefined ? null : new Date(filter.since).toISOString()
  const search = filter.search?.toLowerCase()
  return (line) =>
    ofInstance(line.instance) &&
    (!stream || line.stream === stream) &&
    (since === null || line.time > since) &&
    (generation === undefined || line.generation === generation) &&
    (!search || line.line.toLowerCase().includes(search))
}

export function instanceFilter({ type, instance }: LogFilter): (name: string) => boolean {
  // requests are read where somebody asks for them: they would bury what the app says
  const asksForAccess = type === 'access' || instance?.startsWith('access.')
  return (name) =>
    (!type || name.startsWith(`${type}.`)) &&
    (!instance || name === instance) &&
    (asksForAccess || !name.startsWith('access.'))
}
