import { z } from 'zod'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import { presentRelease } from '../present.ts'
import type { Services } from '../services.ts'
import { deployAndAnswer } from './deploy-answer.ts'
import { deployAnswers } from './deployments.ts'
import * as schemas from './schemas.ts'
import * as shapes from './shapes.ts'

const tag = 'Releases'

/** Releases and the way back. */
export function releasesApi(services: Services): readonly Endpoint[] {
  const { engine } = services
  return [
    endpoint({
      method: 'get',
      path: paths.api.releases,
      tag,
      summary: 'All releases, newest first',
      access: 'project.read',
      answers: {
        200: { description: 'the releases', schema: z.strictObject({ releases: z.array(shapes.release) }) },
      },
      handler({ c, project }) {
        const releases = engine.releases.list(project)
        return c.json({ releases: releases.map((one) => presentRelease(one, project.currentRelease)) })
      },
    }),
    endpoint({
      method: 'post',
      path: paths.api.rollback,
      tag,
      summary: 'Bring an older release back as a new one',
      description:
        'Without a number: the release before the current one. `restoreEnv` brings its config vars back too.',
      access: 'project.deploy',
      body: schemas.rollback,
      example: { body: { release: 1 } },
      answers: deployAnswers,
      handler: ({ c, project, body }) =>
        deployAndAnswer(services, c, project, 200, (by) => engine.releases.rollback(project, body, by)),
    }),
  ]
}
