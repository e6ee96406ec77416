import { readNewest } from './app-log/history.ts'
import type { AppLog, AppLogLine, LogQuery } from './app-log/line.ts'

/** What the apps wrote: the newest matching lines of all instances, oldest first. */
export async function readAppLog(log: AppLog, query: LogQuery): Promise<AppLogLine[]> {
  const { lines } = await readNewest(log, query)
  return lines.map(({ line }) => line)
}
