import { readNewest } from './app-log/history.ts'
import type { AppLogLine, LogQuery } from './app-log/line.ts'

/** What the apps wrote: the newest matching lines of all instances, oldest first. */
export async function readAppLog(directory: string, query: LogQuery): Promise<AppLogLine[]> {
  const { lines } = await readNewest(directory, query)
  return lines.map(({ line }) => line)
}
