import { z } from 'zod'
import { time } from './shapes.ts'

export const domain = z
  .strictObject({
    domain: z.string().meta({ example: 'www.shop.example' }),
    unicode: z.string().meta({
      description: 'as people read it; where scripts are mixed that look alike, in punycode',
      example: 'www.shop.example',
    }),
    primary: z.boolean().meta({ description: 'the other hosts of the project lead on to it, with 308' }),
    status: z.enum(['ok', 'pending', 'mismatch']).meta({
      description: 'where DNS led at the last look: here; nowhere, or no answer; elsewhere',
    }),
    record: z
      .strictObject({
        type: z.enum(['A', 'AAAA', 'CNAME']),
        name: z.string(),
        value: z.string(),
      })
      .meta({ description: 'what to set at the DNS service' }),
    found: z.array(z.string()).meta({ description: 'addresses it leads to', example: ['203.0.113.5'] }),
    checkedAt: time.nullable(),
    createdAt: time,
  })
  .meta({ id: 'Domain', description: 'A host name of a project’s own.' })

export const domains = z.strictObject({ domains: z.array(domain) })
export const domainAnswer = z.strictObject({ domain })
