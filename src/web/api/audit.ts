import { z } from 'zod'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import { presentAudit } from '../present.ts'
import type { Services } from '../services.ts'
import * as queries from './queries.ts'
import { auditEntry } from './shapes-accounts.ts'

/** Who did what, when and from where. */
export function auditApi({ engine }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: paths.api.audit,
      tag: 'Audit log',
      summary: 'Who did what, when and from where, newest first',
      description: 'Values of config vars, passwords and tokens are never in it. Kept for 400 days.',
      access: 'server.read',
      query: queries.auditQuery,
      example: { query: { limit: '20' } },
      answers: {
        200: {
          description: 'a page; go on with `before` = the last id of it',
          schema: z.strictObject({ entries: z.array(auditEntry) }),
        },
      },
      handler: ({ c, query }) => c.json({ entries: engine.audit.list(query).map(presentAudit) }),
    }),
  ]
}
