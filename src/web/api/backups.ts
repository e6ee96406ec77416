import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { z } from 'zod'
import { backupSchema } from '../../engine/backup/shelf.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import type { Services } from '../services.ts'
import * as schemas from './schemas.ts'
import * as shapes from './shapes.ts'

const tag = 'Server'
const backup = z
  .strictObject({ ...backupSchema.shape, createdAt: shapes.time, verifiedAt: shapes.time })
  .meta({ id: 'Backup', description: 'Database, repositories and data of a home, proved by a restore.' })

/** Backups of the whole home. */
export function backupsApi({ engine }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: paths.api.makeBackup,
      tag,
      summary: 'Make a backup, and prove it by a restore into scratch',
      description:
        'Answers when it is proved, which takes its time. Restore it with `nodepilot restore`. Apps go on; what they write meanwhile is saved as it is found.',
      access: 'server.manage',
      body: schemas.makeBackup,
      example: { body: {} },
      answers: {
        201: { description: 'proved', schema: z.strictObject({ backup }) },
        409: { description: 'one is being made already', schema: shapes.problem },
      },
      handler: async ({ c, body, who }) => {
        const { keys = false, slugs = false } = body
        return c.json({ backup: await engine.backups.make({ keys, slugs }, who) }, 201)
      },
    }),
    endpoint({
      method: 'get',
      path: paths.api.backups,
      tag,
      summary: 'Backups, newest first',
      access: 'server.read',
      answers: {
        200: { description: 'all of them are proved', schema: z.strictObject({ backups: z.array(backup) }) },
      },
      handler: async ({ c }) => c.json({ backups: await engine.backups.list() }),
    }),
    endpoint({
      method: 'get',
      path: paths.api.downloadBackup,
      tag,
      summary: 'Download a backup',
      access: 'server.manage',
      answers: { 200: { description: 'a tar.gz', type: 'application/gzip' } },
      async handler({ c, who }) {
        const found = await engine.backups.download(c.req.param('backup') ?? '', who)
        c.header('content-type', 'application/gzip')
        c.header('content-length', String(found.backup.bytes))
        c.header('content-disposition', `attachment; filename="nodepilot-${found.backup.id}.tar.gz"`)
        c.header('cache-control', 'no-store')
        return c.body(Readable.toWeb(createReadStream(found.file)) as ReadableStream)
      },
    }),
    endpoint({
      method: 'delete',
      path: paths.api.backup,
      tag,
      summary: 'Remove a backup',
      access: 'server.manage',
      answers: { 204: { description: 'it is gone' } },
      async handler({ c, who }) {
        await engine.backups.remove(c.req.param('backup') ?? '', who)
        return c.body(null, 204)
      },
    }),
  ]
}
