import { z } from 'zod'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import { presentProject } from '../present.ts'
import type { Services } from '../services.ts'
import { createFromForm } from './create-project.ts'
import * as schemas from './schemas.ts'
import { toChange } from './settings.ts'
import * as shapes from './shapes.ts'

const tag = 'Projects'

/** Projects and their settings. */
export function projectsApi(services: Services): readonly Endpoint[] {
  const { engine, addresses } = services
  const show = async (project: ProjectRow) => ({
    project: presentProject(await engine.projects.show(project), addresses),
  })
  return [
    endpoint({
      method: 'post',
      path: paths.api.createProject,
      tag,
      summary: 'Create a project, with its first archive or empty',
      description:
        'A form may carry `file`: the answer then comes when it is live, or at once with `Prefer: respond-async`. ' +
        'Without a file, JSON is fine too.',
      access: 'project.create',
      body: schemas.createProject,
      form: schemas.createProjectForm,
      example: { body: { name: 'docs', displayName: 'Documentation' } },
      answers: {
        201: {
          description: 'created, and live where an archive came with it',
          schema: shapes.projectAnswer.extend({ deployment: shapes.deployment.optional() }),
        },
        202: {
          description: 'created, and deploying; `Location` names the deployment',
          schema: shapes.deployed,
        },
        422: {
          description: 'created, but the archive could not be deployed',
          schema: shapes.failedDeployment,
        },
      },
      handler: ({ c }) => createFromForm(services, c),
    }),
    endpoint({
      method: 'get',
      path: paths.api.listProjects,
      tag,
      summary: 'The projects you may see, by name',
      access: 'signed-in',
      answers: {
        200: { description: 'all of them', schema: z.strictObject({ projects: z.array(shapes.project) }) },
      },
      async handler({ c, actor }) {
        return services.kept(c, {
          type: 'application/json',
          async make() {
            const maySee = engine.access.filter(actor, 'project.read')
            const visible = (await engine.projects.list()).filter(({ project }) => maySee(project))
            return JSON.stringify({ projects: visible.map((view) => presentProject(view, addresses)) })
          },
        })
      },
    }),
    endpoint({
      method: 'get',
      path: paths.api.project,
      tag,
      summary: 'One project with what runs',
      access: 'project.read',
      answers: { 200: { description: 'the project', schema: shapes.projectAnswer } },
      handler: async ({ c, project }) => c.json(await show(project)),
    }),
    endpoint({
      method: 'patch',
      path: paths.api.project,
      tag,
      summary: 'Change settings',
      description:
        'Those of the front door are in force when this is answered, `maintenance` among them; others with the next ' +
        'deployment or restart.',
      access: 'project.manage',
      body: schemas.changeProject,
      example: { body: { healthPath: '/healthz', bootTimeoutMs: 30_000 } },
      answers: { 200: { description: 'the project as it is now', schema: shapes.projectAnswer } },
      handler: async ({ c, project, body, who }) =>
        c.json(await show(await engine.projects.change(project, toChange(body), who))),
    }),
    endpoint({
      method: 'delete',
      path: paths.api.project,
      tag,
      summary: 'Delete a project: processes, releases, data, repository, logs and history',
      access: 'project.manage',
      answers: { 204: { description: 'everything of it is gone' } },
      async handler({ c, project, who }) {
        await engine.projects.remove(project, who)
        return c.body(null, 204)
      },
    }),
  ]
}
