import { Hono } from 'hono'
import { z } from 'zod'
import type { AuditRow } from '../../engine/store/audit.ts'
import { readQuery } from '../input.ts'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'

const perPage = 50
const query = z.object({
  project: z.string().max(100).optional(),
  user: z.string().max(100).optional(),
  before: z.coerce.number().int().positive().optional(),
})

/** Who did what, when, from where and by which door; a page at a time, newest first. */
export function auditPages(services: Services): Hono<Env> {
  const { engine, accounts } = services
  const pages = new Hono<Env>()
  pages.get(paths.panel.audit, requireSession(services), async (c) => {
    engine.access.authorize(c.get('actor'), 'server.read', null)
    const asked = readQuery(c, query)
    const filter = { project: asked.project || undefined, user: asked.user || undefined }
    const found = engine.audit.list({ ...filter, before: asked.before, limit: perPage + 1 })
    const entries = found.slice(0, perPage)
    const last = entries.at(-1)
    return page(c, 'settings/audit', {
      title: 'Audit log',
      nav: 'settings',
      query: filter,
      filtered: filter.project !== undefined || filter.user !== undefined || asked.before !== undefined,
      entries: entries.map((entry) => ({
        ...entry,
        time: entry.at,
        who: entry.user,
        changes: changesOf(entry),
      })),
      older: found.length > perPage && last ? linkTo({ ...filter, before: String(last.id) }) : null,
      newest: asked.before === undefined ? null : linkTo(filter),
      projects: (await engine.projects.list()).map(({ project }) => project.name),
      users: accounts.users.list().map(({ username }) => username),
    })
  })
  return pages
}

interface Change {
  readonly name: string
  readonly before: string | null
  readonly after: string
}

/** One line a fact that is or was there: what it was, what it is. */
export function changesOf({ before, after }: Pick<AuditRow, 'before' | 'after'>): Change[] {
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  return [...names]
    .map((name) => ({
      name,
      before: before && name in before ? words(before[name]) : null,
      after: after && name in after ? words(after[name]) : 'gone',
    }))
    .filter(({ before, after }) => before !== after && !(before === null && after === 'none'))
}

function words(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'none'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(words).join(', ')
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

function linkTo(query: Readonly<Record<string, string | undefined>>): string {
  const known = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value) known.set(name, value)
  return `${paths.panel.audit}?${known}`
}
