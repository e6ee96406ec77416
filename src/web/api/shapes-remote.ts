import { z } from 'zod'
import { time } from './shapes.ts'

export const remote = z
  .strictObject({
    url: z.string().meta({ example: 'git@github.com:ana/shop.git' }),
    branch: z.string().meta({ description: 'what is fetched', example: 'main' }),
    username: z.string().nullable().meta({ description: 'of the token; null: there is none' }),
    hasToken: z.boolean(),
    publicKey: z.string().meta({ description: 'the deploy key, to be allowed on the other side' }),
    knownHosts: z.array(z.string()).meta({ description: 'ssh servers as they were met the first time' }),
    webhookUrl: z.string().meta({ example: 'https://pilot.example.com/api/hooks/shop' }),
    updatedAt: time,
  })
  .meta({ id: 'Remote', description: 'A repository elsewhere that a project is fetched from.' })

export const remoteAnswer = z.strictObject({ remote: remote.nullable() })
export const remoteWithSecret = z.strictObject({
  remote,
  webhookSecret: z.string().nullable().meta({ description: 'shown when it is made, and never again' }),
})

export const delivery = z
  .strictObject({
    id: z.number().int(),
    provider: z.string().meta({ example: 'github' }),
    event: z.string().meta({ example: 'push' }),
    ref: z.string().nullable(),
    result: z.enum(['deploying', 'nothing to do', 'ignored', 'pong', 'failed']),
    reason: z.string().nullable(),
    deployment: z.number().int().nullable(),
    status: z.string().nullable().meta({ description: 'of the deployment, now' }),
    receivedAt: time,
  })
  .meta({ id: 'Delivery', description: 'A delivery of the webhook whose signature was right.' })

export const deliveries = z.strictObject({ deliveries: z.array(delivery) })

export const hookAnswer = z.strictObject({
  result: z.enum(['deploying', 'nothing to do', 'ignored', 'pong', 'failed']),
  reason: z.string().nullable(),
  deployment: z.number().int().nullable(),
})
