import { z } from 'zod'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { paths } from '../paths.ts'
import { presentMember } from '../present.ts'
import type { Services } from '../services.ts'
import * as schemas from './schemas.ts'
import * as shapes from './shapes.ts'
import { member } from './shapes-accounts.ts'

const tag = 'Members'
const lastOwner = { description: 'the only owner', schema: shapes.problem }

/** Who may do what in a project. */
export function membersApi({ engine: { members } }: Services): readonly Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: paths.api.members,
      tag,
      summary: 'Members of a project',
      access: 'project.read',
      answers: { 200: { description: 'by name', schema: z.strictObject({ members: z.array(member) }) } },
      handler: ({ c, project }) => c.json({ members: members.list(project).map(presentMember) }),
    }),
    endpoint({
      method: 'put',
      path: paths.api.member,
      tag,
      summary: 'Invite a user, or change the role',
      description: 'A viewer sees; a deployer deploys, runs and configures; an owner also changes settings.',
      access: 'project.manage',
      body: schemas.putMember,
      example: { body: { role: 'deployer' } },
      answers: {
        200: { description: 'the member', schema: z.strictObject({ member }) },
        404: { description: 'there is no such user', schema: shapes.problem },
        409: lastOwner,
      },
      handler({ c, project, body, who }) {
        const changed = members.put(project, c.req.param('username') ?? '', body.role, who)
        return c.json({ member: presentMember(changed) })
      },
    }),
    endpoint({
      method: 'delete',
      path: paths.api.member,
      tag,
      summary: 'Take a user out of a project',
      access: 'project.manage',
      answers: { 204: { description: 'no member any more' }, 409: lastOwner },
      handler({ c, project, who }) {
        members.remove(project, c.req.param('username') ?? '', who)
        return c.body(null, 204)
      },
    }),
  ]
}
