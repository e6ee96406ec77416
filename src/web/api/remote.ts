import { z } from 'zod'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import { presentDelivery, presentRemote } from '../present-remote.ts'
import type { Services } from '../services.ts'
import { deployAndAnswer } from './deploy-answer.ts'
import { deployAnswers } from './deployments.ts'
import * as schemas from './schemas.ts'
import * as shapes from './shapes-remote.ts'

const tag = 'Remotes'
const secret = { 200: { description: 'the remote', schema: shapes.remoteWithSecret } }

/** A repository elsewhere that a project is fetched from. */
export function remoteApi(services: Services): readonly Endpoint[] {
  const { engine } = services
  return [
    endpoint({
      method: 'get',
      path: paths.api.remote,
      tag,
      summary: 'Where the project is fetched from',
      access: 'project.read',
      answers: { 200: { description: 'null: from nowhere', schema: shapes.remoteAnswer } },
      handler({ c, project }) {
        const remote = engine.remotes.find(project)
        return c.json({ remote: remote && presentRemote(services, project, remote) })
      },
    }),
    endpoint({
      method: 'put',
      path: paths.api.remote,
      tag,
      summary: 'Fetch the project from there',
      description:
        'The deploy key and the secret of the webhook are made once. A token is for https; it is stored sealed, never ' +
        'shown, and does not go along to another host.',
      access: 'project.manage',
      body: schemas.putRemote,
      example: { body: { url: 'git@github.com:ana/shop.git' } },
      answers: secret,
      handler({ c, project, body, who }) {
        const { remote, webhookSecret } = engine.remotes.set(project, body, who)
        return c.json({ remote: presentRemote(services, project, remote), webhookSecret })
      },
    }),
    endpoint({
      method: 'delete',
      path: paths.api.remote,
      tag,
      summary: 'Fetch it from nowhere; deliveries of its webhook are refused',
      access: 'project.manage',
      answers: { 204: { description: 'it is gone, with its key and its secret' } },
      handler({ c, project, who }) {
        engine.remotes.remove(project, who)
        return c.body(null, 204)
      },
    }),
    endpoint({
      method: 'post',
      path: paths.api.remoteSecret,
      tag,
      summary: 'Make a new secret for the webhook',
      access: 'project.manage',
      answers: secret,
      handler({ c, project, who }) {
        const { remote, webhookSecret } = engine.remotes.renewSecret(project, who)
        return c.json({ remote: presentRemote(services, project, remote), webhookSecret })
      },
    }),
    endpoint({
      method: 'post',
      path: paths.api.remoteKey,
      tag,
      summary: 'Make a new deploy key',
      access: 'project.manage',
      answers: { 200: { description: 'the remote', schema: z.strictObject({ remote: shapes.remote }) } },
      handler: ({ c, project, who }) =>
        c.json({ remote: presentRemote(services, project, engine.remotes.renewKey(project, who)) }),
    }),
    endpoint({
      method: 'get',
      path: paths.api.deliveries,
      tag,
      summary: 'The last deliveries of the webhook, newest first',
      access: 'project.read',
      answers: { 200: { description: 'twenty at most', schema: shapes.deliveries } },
      handler: ({ c, project }) =>
        c.json({
          deliveries: engine.remotes
            .deliveries(project)
            .map((delivery) => presentDelivery(services, project, delivery)),
        }),
    }),
    endpoint({
      method: 'post',
      path: paths.api.fetch,
      tag,
      summary: 'Fetch the branch of the remote, and deploy its tip',
      access: 'project.deploy',
      answers: deployAnswers,
      handler: ({ c, project }) =>
        deployAndAnswer(services, c, project, 200, (by) => engine.fetch(project, by)),
    }),
  ]
}
