import type { ServerResponse } from 'node:http'
import type { Wakes } from './wakes.ts'

/** A sign of life, ms: whoever hears nothing for much longer knows that nobody is there any more. */
export const heartbeatMs = 5_000

/** Answers `GET /wakes`: a line of JSON for every project that is to be woken, an empty one as a sign of life. */
export function streamWakes(wakes: Wakes, response: ServerResponse): void {
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson', Connection: 'close' })
  response.write('\n')
  const tell = (project: string) => response.write(`${JSON.stringify({ project })}\n`)
  const forget = wakes.listen(tell, () => response.end())
  const heartbeat = setInterval(() => response.write('\n'), heartbeatMs)
  response.once('close', () => {
    clearInterval(heartbeat)
    forget()
  })
}
