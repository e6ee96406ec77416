import type { Context } from 'hono'
import { stream } from 'hono/streaming'
import type { z } from 'zod'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { eventStream, eventText } from '../live/event-stream.ts'
import type { Env, Services } from '../services.ts'
import { stillAllowed } from './logs.ts'
import type * as queries from './queries.ts'

/** The output of something that ends: of a deployment, of a run of a scheduled job. */
export interface Output {
  /** All lines from the first on, in pieces, until it has ended or `left` is aborted. */
  lines(left: AbortSignal): AsyncIterable<readonly string[]>
  /** What became of it. */
  status(): string
}

/** What there is now as plain text, or with `follow=1` all of it as events. */
export function answerOutput(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  output: Output,
  query: z.infer<typeof queries.followQuery>,
): Response {
  return query.follow === '1' ? followOutput(services, c, project, output, query) : plainOutput(c, output)
}

/** What there is now, and no more. */
export function plainOutput(c: Context<Env>, output: Pick<Output, 'lines'>): Response {
  c.header('content-type', 'text/plain; charset=utf-8')
  c.header('x-content-type-options', 'nosniff')
  return stream(c, async (out) => {
    for await (const lines of output.lines(AbortSignal.abort()))
      await out.write(lines.map((line) => `${line}\n`).join(''))
  })
}

/**
 * Every line as an event, or what came together as an array with `batch=1`, until it ends; then `end` with its status.
 * The id is the number of the (last) line; `Last-Event-ID` or `after` goes on behind it. The file is the buffer:
 * nobody misses a line however slowly they read.
 */
function followOutput(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  output: Output,
  query: z.infer<typeof queries.followQuery>,
): Response {
  const named = Number(c.req.header('last-event-id') || query.after || 0)
  const left = new AbortController()
  const events = async function* () {
    let seen = 0
    for await (const lines of output.lines(left.signal)) {
      const fresh = lines.slice(Math.max(named - seen, 0))
      seen += lines.length
      if (fresh.length === 0) continue
      const first = seen - fresh.length + 1
      yield query.batch === '1'
        ? eventText({ id: String(seen), data: JSON.stringify(fresh) })
        : fresh.map((data, index) => eventText({ id: String(first + index), data })).join('')
    }
    if (!left.signal.aborted) yield eventText({ event: 'end', data: output.status() })
  }
  const mayStay = stillAllowed(services, c, project)
  return eventStream(events(), { mayStay, leave: () => left.abort() })
}
