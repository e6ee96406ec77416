import type { ProjectRow } from '../../engine/store/projects.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import type { Services } from '../services.ts'
import * as queries from './queries.ts'
import * as schemas from './schemas.ts'
import * as shapes from './shapes.ts'

const tag = 'Config vars'
const answers = { 200: { description: 'all config vars as they are now', schema: shapes.envVars } }

/** Config vars of a project. */
export function configVarsApi({ engine }: Services): readonly Endpoint[] {
  const show = (project: ProjectRow) => {
    const { readableVars, envScopes, lockedVars } = engine.projects.get(project.id)
    return { envVars: readableVars, scopes: envScopes, locked: lockedVars }
  }
  return [
    endpoint({
      method: 'get',
      path: paths.api.env,
      tag,
      summary: 'The config vars with their values',
      access: 'project.operate',
      answers,
      handler: ({ c, project }) => c.json(show(project)),
    }),
    endpoint({
      method: 'put',
      path: paths.api.env,
      tag,
      summary: 'Replace all config vars',
      description: 'A running project gets a new release with them; `?apply=false` only stores.',
      access: 'project.operate',
      query: queries.applyQuery,
      body: schemas.putEnv,
      example: {
        query: { apply: 'false' },
        body: { envVars: { LOG_LEVEL: 'debug', API_KEY: 'k3y' }, scopes: { API_KEY: 'run' } },
      },
      answers,
      async handler({ c, who, project, query, body }) {
        await engine.configVars.put(project, body.envVars, applies(query), { who }, body.scopes)
        return c.json(show(project))
      },
    }),
    endpoint({
      method: 'patch',
      path: paths.api.env,
      tag,
      summary: 'Change some config vars; null removes one',
      description: 'A running project gets a new release with them; `?apply=false` only stores.',
      access: 'project.operate',
      query: queries.applyQuery,
      body: schemas.patchEnv,
      example: { query: { apply: 'false' }, body: { envVars: { LOG_LEVEL: 'info', OLD: null } } },
      answers,
      async handler({ c, who, project, query, body }) {
        await engine.configVars.patch(project, body.envVars, applies(query), { who }, body.scopes)
        return c.json(show(project))
      },
    }),
  ]
}

function applies(query: { apply?: string | undefined }): boolean {
  return query.apply !== 'false' && query.apply !== '0'
}
