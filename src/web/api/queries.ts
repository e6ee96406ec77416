import { z } from 'zod'

/** What clients may ask for in a path or behind its question mark, where everything is text. */

export const auditQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  before: z.coerce.number().int().positive().optional(),
  project: z.string().max(100).optional(),
  user: z.string().max(100).optional(),
  action: z
    .string()
    .regex(/^[a-z-]+(\.[a-z-]+)?$/, 'it is a subject, or subject.verb')
    .optional(),
})

export const tokensQuery = z.object({ all: z.enum(['0', '1']).optional() })

export const runInputQuery = z.object({
  more: z
    .enum(['true', 'false'])
    .optional()
    .meta({ description: 'true: another part follows; else the input ends with this one' }),
})

export const applyQuery = z.object({ apply: z.enum(['true', 'false', '1', '0']).optional() })

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  before: z.coerce.number().int().positive().optional(),
})

export const metricsQuery = z.object({ range: z.enum(['1h', '24h', '7d']).default('1h') })

export const allDeploymentsQuery = pageQuery.extend({
  project: z.string().max(100).optional().meta({ description: 'number or name' }),
  status: z.enum(['queued', 'running', 'live', 'failed', 'cancelled', 'superseded', 'retired']).optional(),
})

export const followQuery = z.object({
  follow: z.enum(['0', '1']).optional(),
  /** The number of the last line that is known. */
  after: z.coerce.number().int().nonnegative().optional(),
  batch: z.enum(['0', '1']).optional(),
})

/** Which lines of a project's log. */
export const logFilterQuery = z.object({
  type: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,40}$/)
    .optional(),
  instance: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,40}\.\d{1,6}$/)
    .optional(),
  stream: z.enum(['out', 'err']).optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  q: z.string().max(500).optional(),
})

/** A number in a path that is no project's. */
export const rowNumber = numberOf('an id')

export const logsQuery = logFilterQuery.extend({
  lines: z.coerce.number().int().min(1).max(10_000).default(100),
})

export const logStreamQuery = logFilterQuery.extend({
  lines: z.coerce.number().int().min(0).max(10_000).default(100),
  /** Where to go on: the id of an event. */
  after: z.string().max(16_000).optional(),
  batch: z.enum(['0', '1']).optional(),
  ids: z.enum(['0', '1']).optional(),
})

export const deploymentNumber = numberOf('the number of a deployment')

function numberOf(what: string) {
  return z.coerce
    .number({ error: `that is not ${what}` })
    .int(`that is not ${what}`)
    .positive(`that is not ${what}`)
}
