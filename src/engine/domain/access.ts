/** Who asks: a signed-in user, perhaps by a token that may do less than its owner. */
export interface Actor {
  readonly userId: number
  readonly username: string
  readonly role: 'admin' | 'member'
  /** null: signed in with a password or a session. */
  readonly token: {
    readonly id: number
    readonly scope: TokenScope
    readonly projectId: number | null
  } | null
  /** The session behind a bearer JWT or a cookie. */
  readonly sessionId: string | null
}

export type TokenScope = 'push' | 'read' | 'admin'

/** What a member may be in a project; each may do what those before it may. */
export const projectRoles = ['viewer', 'deployer', 'owner'] as const
export type ProjectRole = (typeof projectRoles)[number]

/** Everything that can be asked for, and which token may ask; without a token the user's role alone decides. */
const scopesOf = {
  /** See it: deployments, logs, metrics, releases, the names of its config vars. */
  'project.read': ['read', 'push', 'admin'],
  /** Push, upload, deploy again, roll back, cancel. */
  'project.deploy': ['push', 'admin'],
  /** Start, stop, restart, scale, run; read and change config vars. */
  'project.operate': ['admin'],
  /** Settings, domains, members, deletion. */
  'project.manage': ['admin'],
  /** Whoever creates a project owns it. */
  'project.create': ['push', 'admin'],
  /** One's own tokens and sessions. */
  'account.read': ['read', 'push', 'admin'],
  'account.manage': [],
  /** The machine, its processes, the list of users, the audit log. */
  'server.read': ['read', 'admin'],
  'server.manage': ['admin'],
  /** Users are made and changed by people who are signed in, never by a token that may have leaked. */
  'users.manage': [],
} as const satisfies Record<string, readonly TokenScope[]>

export type Action = keyof typeof scopesOf
export const actions = Object.keys(scopesOf) as readonly Action[]

const leastRole: Partial<Record<Action, ProjectRole>> = {
  'project.read': 'viewer',
  'project.deploy': 'deployer',
  'project.operate': 'deployer',
  'project.manage': 'owner',
}

const ofEverybody: ReadonlySet<Action> = new Set(['project.create', 'account.read', 'account.manage'])

/**
 * The one question that git, API, panel and WebSocket alike ask before they do anything. `role` is what the
 * actor is in that project, null where it is nothing there or the action needs no project.
 */
export function permits(
  actor: Actor,
  action: Action,
  projectId: number | null,
  role: ProjectRole | null,
): boolean {
  if (!tokenPermits(actor, action, projectId)) return false
  if (actor.role === 'admin' || ofEverybody.has(action)) return true
  const least = leastRole[action]
  return least !== undefined && role !== null && projectRoles.indexOf(role) >= projectRoles.indexOf(least)
}

function tokenPermits({ token }: Actor, action: Action, projectId: number | null): boolean {
  if (!token) return true
  const scopes: readonly TokenScope[] = scopesOf[action]
  return scopes.includes(token.scope) && (token.projectId === null || token.projectId === projectId)
}
