import { Hono } from 'hono'
import { projectOf } from '../api/project-of.ts'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { projectFrame } from './project-frame.ts'

/** What the apps have written. */
export function plainPages(services: Services): Hono<Env> {
  const { engine } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)

  pages.get('/favicon.ico', (c) => c.body(null, 204))

  pages.get(paths.panel.logs, signedIn, async (c) => {
    const project = projectOf(services, c, 'project.read')
    const lines = await engine.projects.appLog(project, { lines: 500 })
    const text = lines.map(
      ({ time, instance, line }) => `${time.slice(0, 19).replace('T', ' ')} ${instance} ${line}`,
    )
    return page(c, 'logs', {
      ...(await projectFrame(services, c, project, 'logs')),
      title: `Logs of ${project.displayName}`,
      log: text.join('\n'),
    })
  })

  return pages
}
