import { Refusal } from './refusal.ts'

/** Who asks: a signed-in user, perhaps by a token that may do less than its owner. */
export interface Actor {
  readonly userId: number
  readonly username: string
  readonly role: 'admin' | 'member'
  /** null: signed in with a password or a session. */
  readonly token: {
    readonly id: number
    readonly scope: 'push' | 'read' | 'admin'
    readonly projectId: number | null
  } | null
  /** The session behind a bearer JWT. */
  readonly sessionId: string | null
}

export type Action =
  | 'project.read'
  | 'project.deploy'
  | 'project.manage'
  | 'project.create'
  | 'account.read'
  | 'account.manage'

const scopeAllows: Readonly<Record<'push' | 'read' | 'admin', ReadonlySet<Action>>> = {
  read: new Set(['project.read', 'account.read']),
  push: new Set(['project.read', 'project.deploy', 'project.create', 'account.read']),
  admin: new Set(['project.read', 'project.deploy', 'project.manage', 'project.create', 'account.read']),
}

/** The one question that git, API and panel alike ask before they do anything. */
export function allows(actor: Actor, action: Action, projectId: number | null): boolean {
  const { token } = actor
  if (token && !scopeAllows[token.scope].has(action)) return false
  if (token && token.projectId !== null && token.projectId !== projectId) return false
  return actor.role === 'admin'
}

/** Refuses with `forbidden`. */
export function authorize(actor: Actor, action: Action, projectId: number | null): void {
  if (allows(actor, action, projectId)) return
  throw new Refusal('forbidden', `${actor.username} may not do this`, {
    hint: actor.token ? 'use a token with a wider scope' : 'ask an admin of this server',
  })
}
