import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import { presentProject } from '../present.ts'
import type { Services } from '../services.ts'
import * as schemas from './schemas.ts'
import * as shapes from './shapes.ts'

const summaries = {
  start: 'Start a stopped project',
  stop: 'Stop a project; it answers 503 from now on',
} as const

/** What runs of a project, and how many. */
export function processesApi({ engine, addresses }: Services): readonly Endpoint[] {
  const verbs = (['start', 'stop'] as const).map((verb) =>
    endpoint({
      method: 'post',
      path: paths.api[verb],
      tag: 'Processes',
      summary: summaries[verb],
      access: 'project.operate',
      answers: { 200: { description: 'the project as it is now', schema: shapes.projectAnswer } },
      async handler({ c, project, who }) {
        await engine.processes[verb](project, who)
        return c.json({ project: presentProject(await engine.projects.show(project), addresses) })
      },
    }),
  )
  const restart = endpoint({
    method: 'post',
    path: paths.api.restart,
    tag: 'Processes',
    summary: 'Restart without downtime: a new generation is proved, then traffic moves',
    description:
      'With `type`, only the processes of that type: the old ones of a worker end before the new ones start. What ' +
      'was ended for good, or waits longer and longer after crashes, begins anew.',
    access: 'project.operate',
    body: schemas.restart,
    example: { body: { type: 'web' } },
    answers: { 200: { description: 'the project as it is now', schema: shapes.projectAnswer } },
    async handler({ c, project, body, who }) {
      await engine.processes.restart(project, who, body.type)
      return c.json({ project: presentProject(await engine.projects.show(project), addresses) })
    },
  })
  const scale = endpoint({
    method: 'post',
    path: paths.api.scale,
    tag: 'Processes',
    summary: 'So many instances of each named process type',
    description:
      'Numbers stay over deployments and restarts. New web instances take traffic once they are healthy; those ' +
      'that are too many end when their requests have.',
    access: 'project.operate',
    body: schemas.scale,
    example: { body: { web: 1 } },
    answers: { 200: { description: 'the project as it is now', schema: shapes.projectAnswer } },
    async handler({ c, project, body, who }) {
      await engine.processes.scale(project, body, who)
      return c.json({ project: presentProject(await engine.projects.show(project), addresses) })
    },
  })
  return [...verbs, restart, scale]
}
