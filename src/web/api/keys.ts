import { z } from 'zod'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import type { Services } from '../services.ts'

/** The keys that config vars are sealed with. */
export function keysApi({ engine }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: paths.api.rotateKeys,
      tag: 'Server',
      summary: 'Seal all config vars with a new key',
      description:
        'Older keys stay in `keys/` of the home, for older backups: remove their files when none is needed any more.',
      access: 'server.manage',
      answers: {
        200: {
          description: 'done',
          schema: z.strictObject({
            sealed: z.number().int().meta({ description: 'projects and releases that were sealed anew' }),
          }),
        },
      },
      handler: async ({ c, who }) => c.json({ sealed: await engine.keys.rotate(who) }),
    }),
  ]
}
