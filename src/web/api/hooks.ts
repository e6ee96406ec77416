import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import type { Services } from '../services.ts'
import { addressOf } from '../session.ts'
import { createUnsignedBodies, webhookLimits } from '../unsigned-bodies.ts'
import { hookAnswer } from './shapes-remote.ts'

/** Where other services deliver their webhooks. */
export function hooksApi({ engine }: Services): readonly Endpoint[] {
  const bodies = createUnsignedBodies(webhookLimits)
  return [
    endpoint({
      method: 'post',
      path: paths.api.hook,
      tag: 'Remotes',
      summary: 'A delivery of a webhook: GitHub, GitLab, Gitea, Forgejo, or a standard one',
      description:
        'No sign-in: the delivery is signed with the secret of the webhook (`X-Hub-Signature-256`, `X-Gitea-Signature`, ' +
        '`Webhook-Signature`, or `X-Gitlab-Token`). A push to the branch of the remote is fetched and deployed; the ' +
        'answer does not wait for it. 25 MiB at most.',
      access: 'anyone',
      answers: {
        200: { description: 'there is nothing to do, and why', schema: hookAnswer },
        202: { description: 'it is being deployed', schema: hookAnswer },
      },
      async handler({ c }) {
        const address = addressOf(c)
        const project = engine.webhook.knock(c.req.param('project') ?? '', c.req.header(), address)
        const body = await bodies.read(c.env.incoming, address)
        const answer = await engine.webhook.receive(project, c.req.header(), body, address)
        const { result, reason, deployment } = answer
        return c.json({ result, reason, deployment }, result === 'deploying' ? 202 : 200)
      },
    }),
  ]
}
