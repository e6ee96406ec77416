import type { Report } from './engine/context.ts'

/** The server's own log on standard error: one event a line, with its time. */
export function createReport(write: (text: string) => void, clock: () => number): Report {
  const line = (level: string, text: string) => write(`${new Date(clock()).toISOString()} ${level} ${text}\n`)
  return {
    info: (message) => line('info ', message),
    error: (message, error) =>
      line('error', error === undefined ? message : `${message}: ${describe(error)}`),
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\n  because: ${describe(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
