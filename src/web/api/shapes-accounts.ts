import { z } from 'zod'
import { projectRoles } from '../../engine/domain/access.ts'
import { time } from './shapes.ts'

export const userRow = z
  .strictObject({
    id: z.number().int(),
    username: z.string(),
    role: z.enum(['admin', 'member']),
    createdAt: time,
  })
  .meta({ id: 'UserRow' })

export const member = z
  .strictObject({ username: z.string(), role: z.enum(projectRoles), createdAt: time })
  .meta({ id: 'Member', description: 'What a user is in a project.' })

export const sessionRow = z
  .strictObject({
    id: z.number().int(),
    kind: z.enum(['browser', 'api', 'cli']),
    name: z.string().meta({ description: 'what a command line calls itself' }),
    agent: z.string().meta({ description: 'what the program calls itself' }),
    address: z.string(),
    current: z.boolean(),
    createdAt: time,
    lastSeenAt: time.meta({ description: 'to the minute' }),
    expiresAt: time,
  })
  .meta({ id: 'Session' })

const facts = z.record(z.string(), z.unknown()).nullable()

export const auditEntry = z
  .strictObject({
    id: z.number().int(),
    time,
    who: z.string().meta({ example: 'ana' }),
    via: z.enum(['session', 'token', 'git', 'system']),
    address: z.string(),
    action: z.string().meta({ example: 'project.change' }),
    project: z.string().nullable().meta({ description: 'its name at that time' }),
    before: facts,
    after: facts,
  })
  .meta({ id: 'AuditEntry' })

export const deviceRequest = z.strictObject({
  deviceCode: z.string(),
  userCode: z.string().meta({ example: '7Q4M-K2XD' }),
  url: z.string(),
  expiresAt: time,
  intervalMs: z.number().int(),
})
