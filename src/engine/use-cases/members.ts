import type { Context } from '../context.ts'
import type { ProjectRole } from '../domain/access.ts'
import type { Who } from '../domain/audit.ts'
import { Refusal } from '../domain/refusal.ts'
import type { UserRow } from '../store/accounts.ts'
import type { MemberRow } from '../store/members.ts'
import type { ProjectRow } from '../store/projects.ts'

export type MemberCases = ReturnType<typeof createMemberCases>

/** Who may do what in a project. A project that has owners keeps at least one. */
export function createMemberCases(ctx: Context) {
  const { store } = ctx
  const user = (username: string): UserRow => {
    const found = store.accounts.findUser(username)
    if (found) return found
    throw new Refusal('not_found', `there is no user ${username.slice(0, 60)}`, {
      hint: 'an admin of this server can add one',
    })
  }
  return {
    list: (project: ProjectRow): MemberRow[] => store.members.list(project.id),

    /** Invites, or changes the role. Refuses with `not_found` (user) or `conflict` (last owner). */
    put(project: ProjectRow, username: string, role: ProjectRole, who: Who): MemberRow {
      const before = store.transaction(() => {
        const { id } = user(username)
        const current = store.members.role(project.id, id)
        if (role !== 'owner') requireOtherOwner(ctx, project, id)
        store.members.put(project.id, id, role)
        return current
      })
      const action = before === null ? 'member.add' : 'member.change'
      const after = { username, role }
      ctx.audit({ who, action, project, after, before: before && { username, role: before } })
      return store.members.list(project.id).find((member) => member.username === username) as MemberRow
    },

    /** Refuses with `not_found` or `conflict` (last owner). */
    remove(project: ProjectRow, username: string, who: Who): void {
      const role = store.transaction(() => {
        const { id } = user(username)
        const current = store.members.role(project.id, id)
        requireOtherOwner(ctx, project, id)
        if (!store.members.remove(project.id, id)) {
          throw new Refusal('not_found', `${username} is no member of ${project.name}`)
        }
        return current
      })
      ctx.audit({ who, action: 'member.remove', project, before: { username, role } })
    },
  }
}

function requireOtherOwner({ store }: Context, project: ProjectRow, userId: number): void {
  const owners = store.members.list(project.id).filter(({ role }) => role === 'owner')
  if (owners.length !== 1 || owners[0]?.userId !== userId) return
  throw new Refusal('conflict', `${owners[0].username} is the only owner of ${project.name}`, {
    hint: 'make somebody else an owner first',
  })
}
