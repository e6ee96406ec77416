import { Hono } from 'hono'
import { filterOf } from '../api/logs.ts'
import { projectOf } from '../api/project-of.ts'
import { logFilterQuery } from '../api/queries.ts'
import { paths } from '../paths.ts'
import { page, renderView } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { appLine } from './log-pane.ts'
import { projectFrame } from './project-frame.ts'

const shownLines = 200

/** What the apps have written, and write while somebody looks. */
export function logPages(services: Services): Hono<Env> {
  const { engine } = services
  const pages = new Hono<Env>()

  pages.get(paths.panel.logs, requireSession(services), async (c) => {
    const project = projectOf(services, c, 'project.read')
    const asked = Object.entries(c.req.query()).filter(([, value]) => value !== '')
    // a form sends its empty fields too, and nobody is refused a page for a word in its address
    const parsed = logFilterQuery.safeParse(Object.fromEntries(asked))
    const query = parsed.success ? parsed.data : {}
    const [{ lines, cursor }, view] = await Promise.all([
      engine.logs.page(project, { ...filterOf(query), lines: shownLines }),
      engine.projects.show(project),
    ])
    const own = project.settings.accessLog ? ['access'] : []
    const types = [...new Set(['web', ...view.instances.map(({ type }) => type), ...own])]
    const fields = new URLSearchParams(Object.entries(query) as [string, string][])
    const api = `/api/project/${project.name}/logs`
    return page(c, 'logs/show', {
      ...(await projectFrame(services, c, project, 'logs')),
      title: `Logs of ${project.displayName}`,
      scripts: ['log.js'],
      pane: {
        source: `${api}/stream?${new URLSearchParams([...fields, ['batch', '1']])}`,
        after: cursor,
        lines: lines.map(appLine),
        download: `${api}/download?${fields}`,
        label: 'Log',
        status: `the last ${shownLines} lines`,
        empty: fields.size > 0 ? 'Nothing matches.' : 'The app has written nothing yet.',
        filter: renderView('logs/filter', { q: '', type: '', stream: '', ...query, types }),
      },
    })
  })

  return pages
}
