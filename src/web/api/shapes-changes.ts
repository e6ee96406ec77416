import { z } from 'zod'
import { time } from './shapes.ts'

const commit = z.strictObject({
  sha: z.string(),
  subject: z.string().meta({ example: 'Fix cart total' }),
  author: z.string(),
  at: time.nullable(),
})
const dependency = z.strictObject({ name: z.string(), version: z.string() })
const names = z.array(z.string())

export const changes = z
  .strictObject({
    from: z.number().int().nullable().meta({ description: 'the release that was live before' }),
    to: z.number().int().nullable().meta({ description: 'null where the deployment failed' }),
    history: z.boolean().meta({ description: 'whether both are commits whose history is known' }),
    commits: z.array(commit).meta({ description: 'new ones, newest first, 50 at most' }),
    commitCount: z.number().int(),
    undone: z.array(commit).meta({ description: 'those that are gone again, after a rollback' }),
    undoneCount: z.number().int(),
    dependencies: z
      .strictObject({
        added: z.array(dependency),
        removed: z.array(dependency),
        changed: z.array(z.strictObject({ name: z.string(), from: z.string(), to: z.string() })),
        count: z.number().int().meta({ description: 'of all; the lists hold 200 each at most' }),
      })
      .nullable()
      .meta({ description: 'by the lockfiles; null where they are not known' }),
    configVars: z
      .strictObject({ added: names, removed: names, changed: names })
      .meta({ description: 'names, never values' }),
    commands: z.array(
      z.strictObject({ type: z.string(), from: z.string().nullable(), to: z.string().nullable() }),
    ),
  })
  .meta({ id: 'Changes', description: 'What a deployment changed against the release before it.' })
