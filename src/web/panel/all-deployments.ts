import { Hono } from 'hono'
import { z } from 'zod'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { readQuery } from '../input.ts'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { deployRow, keptReleases } from './deploy-rows.ts'

const perPage = 40

const filters = {
  all: 'All',
  live: 'Live',
  failed: 'Failed',
  running: 'Under way',
  cancelled: 'Cancelled',
} as const

const query = z.object({
  status: z.enum(Object.keys(filters) as (keyof typeof filters)[]).catch('all'),
  before: z.coerce.number().int().positive().optional(),
})

/** What was deployed on this server, newest first, of every project one may see. */
export function allDeploymentsPages(services: Services): Hono<Env> {
  const { engine } = services
  const pages = new Hono<Env>()
  pages.get(paths.panel.allDeployments, requireSession(services), async (c) => {
    const { status, before } = readQuery(c, query)
    const sees = engine.access.filter(c.get('actor'), 'project.read')
    const projects = new Map(engine.projects.rows().flatMap((row) => (sees(row) ? [[row.id, row]] : [])))
    const found = engine.deployments.listAll({
      projects: c.get('actor').role === 'admin' ? null : [...projects.keys()],
      ...(status === 'all' ? {} : { status }),
      ...(before === undefined ? {} : { before }),
      limit: perPage + 1,
    })
    const shown = found.slice(0, perPage)
    const kept = new Map<number, ReadonlySet<number>>()
    const keptOf = (project: ProjectRow) => {
      const known = kept.get(project.id) ?? keptReleases(services, project)
      kept.set(project.id, known)
      return known
    }
    const address = (more: string) => `/deploys?status=${status}${more}`
    return page(c, 'deploys/all', {
      title: 'Deploys',
      nav: 'deploys',
      filters: Object.entries(filters).map(([key, label]) => ({
        label,
        href: key === 'all' ? '/deploys' : `/deploys?status=${key}`,
        current: key === status,
      })),
      rows: shown.flatMap((deployment) => {
        const project = projects.get(deployment.projectId)
        return project ? [deployRow(project, deployment, keptOf(project), false)] : []
      }),
      older: found.length > perPage ? address(`&before=${shown.at(-1)?.id}`) : null,
      newer: before !== undefined,
      first: address(''),
    })
  })
  return pages
}
