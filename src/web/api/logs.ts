import { z } from 'zod'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import type { Services } from '../services.ts'
import * as schemas from './schemas.ts'
import * as shapes from './shapes.ts'

/** What the instances of a project wrote. */
export function logsApi({ engine }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: paths.api.logs,
      tag: 'Logs',
      summary: 'The newest lines, oldest first',
      access: 'project.read',
      query: schemas.logsQuery,
      example: { query: { lines: '20', stream: 'out' } },
      answers: {
        200: { description: 'the lines', schema: z.strictObject({ lines: z.array(shapes.logLine) }) },
      },
      async handler({ c, project, query: { lines, type, stream, since, q } }) {
        const found = await engine.projects.appLog(project, { lines, type, stream, since, search: q })
        return c.json({
          lines: found.map(({ time, instance, stream: from, line }) => ({
            time,
            instance,
            stream: from,
            line,
          })),
        })
      },
    }),
  ]
}
