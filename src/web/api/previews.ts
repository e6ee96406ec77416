import { z } from 'zod'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import { presentPreview } from '../present.ts'
import type { Services } from '../services.ts'

const preview = z
  .strictObject({
    name: z
      .string()
      .meta({ description: 'of the project that the preview is; every call for a project takes it' }),
    branch: z.string(),
    url: z.string(),
    status: z.enum(['running', 'stopped', 'error']),
    release: z.number().int().nullable(),
    usedAt: z.iso.datetime().meta({ description: 'the last push or request' }),
    expiresAt: z.iso.datetime().meta({ description: 'it is removed then, unless it is used before' }),
  })
  .meta({ id: 'Preview' })

/** Branches of a project that are deployed beside it. */
export function previewsApi({ engine, addresses }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: paths.api.previews,
      tag: 'Projects',
      summary: 'Previews of a project: its other branches, each at an address of its own',
      description:
        'With the setting `previews`, a push to another branch makes one. It is a project itself, and is removed with its branch, by `DELETE /api/project/<name>`, or when nobody has used it for `previewIdleDays`.',
      access: 'project.read',
      answers: {
        200: {
          description: 'those that were used last come first',
          schema: z.strictObject({ previews: z.array(preview) }),
        },
      },
      handler: ({ c, project }) =>
        c.json({ previews: engine.previews.list(project).map((one) => presentPreview(one, addresses)) }),
    }),
  ]
}
