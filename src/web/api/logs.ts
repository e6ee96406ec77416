import type { Context } from 'hono'
import { z } from 'zod'
import type { FollowQuery } from '../../engine/app-log/follow.ts'
import type { LogFilter } from '../../engine/app-log/line.ts'
import { Refusal } from '../../engine/domain/refusal.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { problem } from '../errors.ts'
import { eventStream, recheckMs } from '../live/event-stream.ts'
import { sendLog } from '../live/log-socket.ts'
import { batchEvent, presentLine, singleEvents } from '../live/log-text.ts'
import { paths } from '../paths.ts'
import type { Env, Services } from '../services.ts'
import { requireActor } from '../session.ts'
import * as queries from './queries.ts'
import * as shapes from './shapes.ts'

const tag = 'Logs'

/** What the instances of a project wrote and write. */
export function logsApi(services: Services): readonly Endpoint[] {
  const { engine } = services
  return [
    endpoint({
      method: 'get',
      path: paths.api.logs,
      tag,
      summary: 'The newest lines, oldest first',
      access: 'project.read',
      query: queries.logsQuery,
      example: { query: { lines: '20', stream: 'out' } },
      answers: {
        200: { description: 'the lines', schema: z.strictObject({ lines: z.array(shapes.logLine) }) },
      },
      async handler({ c, project, query }) {
        const found = await engine.logs.read(project, { ...filterOf(query), lines: query.lines })
        return c.json({ lines: found.map(presentLine) })
      },
    }),
    endpoint({
      method: 'get',
      path: paths.api.logStream,
      tag,
      summary: 'The newest lines, then each one as it is written',
      description: [
        'As a WebSocket: one LogLine a frame; a stretch that was missed is `{"gap":n}`. Sign in with the header',
        '`Authorization`, with the session cookie of a page of this server, or with the protocols',
        '`nodepilot` and `bearer.<token>`. With `ids=1` each line has its `id`.',
        'With `Accept: text/event-stream` as server-sent events: one LogLine an event, or an array of what',
        'came together with `batch=1`; `event: gap` for what was missed. The id of an event is a place in the',
        'log: `Last-Event-ID`, or `after=`, goes on right behind it, also after a restart of the server.',
      ].join(' '),
      access: 'project.read',
      query: queries.logStreamQuery,
      example: { query: { lines: '20' } },
      answers: {
        200: { description: 'the events', type: 'text/event-stream' },
        406: { description: 'neither a WebSocket nor events were asked for', schema: shapes.problem },
      },
      handler: ({ c, project, query }) => streamLog(services, c, project, query),
    }),
    endpoint({
      method: 'get',
      path: paths.api.logDownload,
      tag,
      summary: 'Everything that was written, as a file',
      access: 'project.read',
      query: queries.logFilterQuery,
      answers: { 200: { description: 'a line each: time, instance, stream, text', type: 'text/plain' } },
      handler: ({ c, project, query }) => downloadLog(services, c, project, query),
    }),
  ]
}

type FilterQuery = z.infer<typeof queries.logFilterQuery>

/** What the query says, in the engine's words. */
export function filterOf({ type, instance, stream, since, q }: FilterQuery): LogFilter {
  return { type, instance, stream, since, search: q }
}

async function streamLog(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  query: z.infer<typeof queries.logStreamQuery>,
): Promise<Response> {
  // a browser that comes back on its own repeats the address it began with
  const after = c.req.header('last-event-id') || query.after
  const wanted: FollowQuery = { ...filterOf(query), lines: query.lines, after: after || undefined }
  const mayStay = stillAllowed(services, c, project)
  if (c.env.upgrade) {
    c.env.upgrade(async (socket, wire, left) => {
      const timer = setInterval(() => {
        mayStay().catch((error: Error) => socket.close(1008, error.message.slice(0, 100)))
      }, services.recheckMs ?? recheckMs)
      try {
        await sendLog(socket, wire, services.engine.logs.follow(project, wanted, left), query.ids === '1')
      } finally {
        clearInterval(timer)
      }
    })
    return c.body(null, 204)
  }
  if (!/\btext\/event-stream\b/i.test(c.req.header('accept') ?? '')) return noStream()
  const left = new AbortController()
  const batches = services.engine.logs.follow(project, wanted, left.signal)
  const text = query.batch === '1' ? batchEvent : singleEvents
  // from the first byte of the answer on nothing counts as the past any more
  const first = await batches.next()
  return eventStream(
    (async function* () {
      if (!first.done) yield text(first.value)
      for await (const batch of batches) yield text(batch)
    })(),
    { mayStay, leave: () => left.abort(), recheckMs: services.recheckMs ?? recheckMs },
  )
}

/** Asks everything again that was asked at the beginning: session, token, rights, and whether it is still there. */
export function stillAllowed(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
): () => Promise<boolean> {
  const signedIn = requireActor(services)
  return async () => {
    await signedIn(c, async () => {})
    const { access, projects } = services.engine
    access.authorize(c.get('actor'), 'project.read', projects.get(project.id))
    return true
  }
}

function noStream(): Response {
  const refusal = new Refusal('unsupported_media_type', 'the lines come as events or over a WebSocket', {
    hint: 'send Accept: text/event-stream, or open it as a WebSocket',
  })
  return problem(refusal, 406)
}

function downloadLog(services: Services, c: Context<Env>, project: ProjectRow, query: FilterQuery): Response {
  const left = new AbortController()
  const lines = services.engine.logs.whole(project, filterOf(query), left.signal)
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let text = ''
        while (text.length < 64_000) {
          const { done, value } = await lines.next()
          if (done) {
            if (text) controller.enqueue(Buffer.from(text))
            return controller.close()
          }
          text += `${value.time} ${value.instance} ${value.stream} ${value.line}\n`
        }
        controller.enqueue(Buffer.from(text))
      },
      async cancel() {
        left.abort()
        await lines.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
  return c.body(stream, 200, {
    'content-type': 'text/plain; charset=utf-8',
    'content-disposition': `attachment; filename="${project.name}.log"`,
    'cache-control': 'no-store',
  })
}
