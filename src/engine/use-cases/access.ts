import { type Action, type Actor, type ProjectRole, permits } from '../domain/access.ts'
import { Refusal } from '../domain/refusal.ts'
import type { ProjectRow } from '../store/projects.ts'
import type { Store } from '../store/store.ts'

export type AccessCases = ReturnType<typeof createAccessCases>

/** `permits` with the role looked up: what every door asks. */
export function createAccessCases({ store }: { readonly store: Store }) {
  /** In a preview everybody may do what they may in its project. */
  const subjectOf = ({ id, preview }: ProjectRow): number => preview?.parent ?? id
  const roleIn = (actor: Actor, project: ProjectRow): ProjectRole | null =>
    store.members.role(subjectOf(project), actor.userId)

  const allows = (actor: Actor, action: Action, project: ProjectRow | null): boolean => {
    if (project === null) return permits(actor, action, null, null)
    // a token may be for one preview alone
    const subject = actor.token?.projectId === project.id ? project.id : subjectOf(project)
    return permits(actor, action, subject, roleIn(actor, project))
  }

  return {
    /** What the actor is in this project; null for a stranger, and for an admin who was not invited. */
    roleIn,
    allows,

    /** Refuses with `forbidden`. */
    authorize(actor: Actor, action: Action, project: ProjectRow | null): void {
      if (allows(actor, action, project)) return
      throw new Refusal('forbidden', `${actor.username} may not do this`, { hint: whomToAsk(actor, action) })
    },

    /** The same question for many projects, with one look at the database. */
    filter(actor: Actor, action: Action): (project: { readonly id: number }) => boolean {
      const roles =
        actor.role === 'admin' ? new Map<number, ProjectRole>() : store.members.rolesOf(actor.userId)
      const parents = store.projects.previewParents()
      return ({ id }) => {
        const parent = parents.get(id) ?? id
        const subject = actor.token?.projectId === id ? id : parent
        return permits(actor, action, subject, roles.get(parent) ?? null)
      }
    },
  }
}

function whomToAsk(actor: Actor, action: Action): string {
  if (actor.token) return 'use a token with a wider scope, or sign in'
  return action.startsWith('project.') ? 'ask an owner of the project' : 'ask an admin of this server'
}
