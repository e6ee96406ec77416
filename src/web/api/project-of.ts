import type { Context } from 'hono'
import type { Action } from '../../engine/domain/access.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import type { Env, Services } from '../services.ts'

/** The project that `:id` names. Refuses with `not_found`, or `forbidden` when the actor may not do this to it. */
export function projectOf(services: Services, c: Context<Env>, action: Action): ProjectRow {
  const actor = c.get('actor')
  const project = services.engine.projects.get(c.req.param('id') ?? '')
  services.engine.access.authorize(actor, action, project)
  return project
}
