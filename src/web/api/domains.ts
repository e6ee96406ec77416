import type { Domain } from '../../engine/use-cases/domains.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import type { Services } from '../services.ts'
import * as schemas from './schemas.ts'
import * as shapes from './shapes.ts'
import { domainAnswer, domains } from './shapes-domains.ts'

const tag = 'Domains'

/** Host names of a project's own. */
export function domainsApi({ engine }: Services): readonly Endpoint[] {
  const named = (domain: string | undefined) => domain ?? ''
  return [
    endpoint({
      method: 'get',
      path: paths.api.domains,
      tag,
      summary: 'Domains of a project, and where DNS leads',
      access: 'project.read',
      answers: { 200: { description: 'oldest first', schema: domains } },
      handler: async ({ c, project }) =>
        c.json({ domains: (await engine.domains.list(project)).map(presentDomain) }),
    }),
    endpoint({
      method: 'post',
      path: paths.api.domains,
      tag,
      summary: 'Let a project answer at a domain',
      description:
        '`*.shop.example` stands for every name directly below it. The project answers there at once; set the `record` at your DNS service. Behind Caddy it has a certificate with its first visit.',
      access: 'project.manage',
      body: schemas.addDomain,
      example: { body: { domain: 'www.shop.example' } },
      answers: {
        201: { description: 'it is routed', schema: domainAnswer },
        409: { description: 'a project answers there already', schema: shapes.problem },
      },
      handler: async ({ c, project, body, who }) =>
        c.json({ domain: presentDomain(await engine.domains.add(project, body.domain, who)) }, 201),
    }),
    endpoint({
      method: 'patch',
      path: paths.api.domain,
      tag,
      summary: 'Make a domain the primary one, or no longer',
      description:
        'The other hosts of the project then answer 308 to it. WebSockets are served at every host.',
      access: 'project.manage',
      body: schemas.changeDomain,
      example: { body: { primary: true } },
      answers: {
        200: { description: 'in force', schema: domainAnswer },
        409: {
          description: 'it does not lead to this server, and `force` is not set',
          schema: shapes.problem,
        },
      },
      handler: async ({ c, project, body, who }) => {
        const changed = await engine.domains.setPrimary(project, named(c.req.param('domain')), body, who)
        return c.json({ domain: presentDomain(changed) })
      },
    }),
    endpoint({
      method: 'post',
      path: paths.api.checkDomain,
      tag,
      summary: 'Look up where a domain leads now',
      access: 'project.read',
      answers: { 200: { description: 'with what was found', schema: domainAnswer } },
      handler: async ({ c, project }) =>
        c.json({ domain: presentDomain(await engine.domains.check(project, named(c.req.param('domain')))) }),
    }),
    endpoint({
      method: 'delete',
      path: paths.api.domain,
      tag,
      summary: 'Take a domain away from a project',
      access: 'project.manage',
      answers: { 204: { description: 'nothing of the project answers there any more' } },
      async handler({ c, project, who }) {
        await engine.domains.remove(project, named(c.req.param('domain')), who)
        return c.body(null, 204)
      },
    }),
  ]
}

function presentDomain({ domain, unicode, primary, status, record, found, checkedAt, createdAt }: Domain) {
  return { domain, unicode, primary, status, record, found, checkedAt, createdAt }
}
