import { Hono } from 'hono'
import { allows, authorize } from '../../engine/domain/access.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { readJson, readQuery } from '../input.ts'
import { paths } from '../paths.ts'
import { presentProject } from '../present.ts'
import type { Env, Services } from '../services.ts'
import { requireActor } from '../session.ts'
import { createFromForm } from './create-project.ts'
import { projectOf } from './project-of.ts'
import * as schemas from './schemas.ts'

/** Projects, their processes, config vars and logs. */
export function projectsApi(services: Services): Hono<Env> {
  const { engine, addresses } = services
  const api = new Hono<Env>()
  const signedIn = requireActor(services)
  const show = async (project: ProjectRow) => ({
    project: presentProject(await engine.projects.show(project), addresses),
  })

  api.post(paths.api.createProject, signedIn, (c) => {
    authorize(c.get('actor'), 'project.create', null)
    return createFromForm(services, c)
  })

  api.get(paths.api.listProjects, signedIn, async (c) => {
    const actor = c.get('actor')
    const visible = (await engine.projects.list()).filter(({ project }) =>
      allows(actor, 'project.read', project.id),
    )
    return c.json({ projects: visible.map((view) => presentProject(view, addresses)) })
  })

  api.get(paths.api.project, signedIn, async (c) =>
    c.json(await show(projectOf(services, c, 'project.read'))),
  )

  api.patch(paths.api.project, signedIn, async (c) => {
    const project = projectOf(services, c, 'project.manage')
    const change = await readJson(c, schemas.changeProject)
    return c.json(await show(engine.projects.change(project, change)))
  })

  api.delete(paths.api.project, signedIn, async (c) => {
    await engine.projects.remove(projectOf(services, c, 'project.manage'))
    return c.body(null, 204)
  })

  for (const verb of ['start', 'stop', 'restart'] as const) {
    api.post(paths.api[verb], signedIn, async (c) => {
      const project = projectOf(services, c, 'project.manage')
      await engine.processes[verb](project)
      return c.json(await show(project))
    })
  }

  api.get(paths.api.env, signedIn, (c) => {
    const { envVars } = projectOf(services, c, 'project.manage')
    return c.json({ envVars })
  })

  api.put(paths.api.env, signedIn, async (c) => {
    const project = projectOf(services, c, 'project.manage')
    const values = await readJson(c, schemas.putEnv)
    await engine.configVars.put(project, values, applies(readQuery(c, schemas.applyQuery)), {
      by: c.get('actor').username,
    })
    return c.json({ envVars: engine.projects.get(project.id).envVars })
  })

  api.patch(paths.api.env, signedIn, async (c) => {
    const project = projectOf(services, c, 'project.manage')
    const change = await readJson(c, schemas.patchEnv)
    await engine.configVars.patch(project, change, applies(readQuery(c, schemas.applyQuery)), {
      by: c.get('actor').username,
    })
    return c.json({ envVars: engine.projects.get(project.id).envVars })
  })

  api.get(paths.api.logs, signedIn, async (c) => {
    const project = projectOf(services, c, 'project.read')
    const { lines, type, stream, since, q } = readQuery(c, schemas.logsQuery)
    const found = await engine.projects.appLog(project, { lines, type, stream, since, search: q })
    return c.json({
      lines: found.map(({ time, instance, stream: from, line }) => ({ time, instance, stream: from, line })),
    })
  })

  return api
}

function applies(query: { apply?: string | undefined }): boolean {
  return query.apply !== 'false' && query.apply !== '0'
}
