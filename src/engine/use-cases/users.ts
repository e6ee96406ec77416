import type { Actor } from '../domain/access.ts'
import { type Audit, whoOf } from '../domain/audit.ts'
import { Refusal } from '../domain/refusal.ts'
import type { Passwords } from '../passwords.ts'
import type { Role, UserRow } from '../store/accounts.ts'
import type { Store } from '../store/store.ts'
import { requirePassword } from './password-check.ts'

export interface NewUser {
  readonly username: string
  readonly password: string
  readonly role: Role
}

export interface UserChange {
  readonly role?: Role | undefined
  readonly password?: string | undefined
}

export function createUserCases(deps: { store: Store; passwords: Passwords; audit: Audit }) {
  const { store, passwords, audit } = deps
  const { accounts } = store

  const get = (id: number): UserRow => {
    const user = accounts.user(id)
    if (user) return user
    throw new Refusal('not_found', `there is no user ${id}`)
  }

  return {
    list: (): UserRow[] => accounts.users(),

    get,

    /** Refuses with `invalid` (password) or `conflict` (name, whatever its case). */
    async create(actor: Actor, { username, password, role }: NewUser, address: string): Promise<UserRow> {
      requirePassword(password)
      const hash = await passwords.hash(password)
      const user = store.transaction(() => {
        if (accounts.isTaken(username)) throw taken(username)
        return accounts.createUser(username, hash, role)
      })
      audit({ who: whoOf(actor, address), action: 'user.create', after: { username, role } })
      return user
    },

    /** A new password ends all sessions of the user but the one that asks. Refuses with `conflict` for the last admin. */
    async change(actor: Actor, id: number, change: UserChange, address: string): Promise<UserRow> {
      if (change.password !== undefined) requirePassword(change.password)
      const hash = change.password === undefined ? null : await passwords.hash(change.password)
      const before = store.transaction(() => {
        const user = get(id)
        if (change.role === 'member') requireOtherAdmin(store, user, 'demoted')
        if (change.role) accounts.setRole(id, change.role)
        if (hash !== null) {
          accounts.setPassword(id, hash)
          store.sessions.endOthers(id, actor.sessionId ?? '')
          store.devices.removeAnsweredBy(id)
        }
        return user
      })
      const { username } = before
      const after = {
        username,
        role: change.role ?? before.role,
        ...(hash === null ? {} : { password: 'reset' }),
      }
      audit({
        who: whoOf(actor, address),
        action: 'user.change',
        before: { username, role: before.role },
        after,
      })
      return get(id)
    },

    /**
     * Sessions, tokens and memberships go with the user. Projects run on: those that nobody else owns are handed
     * to the admin who removes, because a person who has left must neither keep a server nor take it down.
     */
    remove(actor: Actor, id: number, address: string): void {
      const { user, handed } = store.transaction(() => {
        const leaving = get(id)
        requireOtherAdmin(store, leaving, 'removed')
        const heir = id === actor.userId ? otherAdmin(store, id) : actor.userId
        const alone = store.members.ownedAlone(id)
        for (const projectId of alone) store.members.put(projectId, heir, 'owner')
        accounts.removeUser(id)
        return { user: leaving, handed: alone }
      })
      const projects = handed.map((projectId) => store.projects.find(projectId)?.name)
      const before = { username: user.username, role: user.role, handedOver: projects }
      audit({ who: whoOf(actor, address), action: 'user.remove', before })
    },
  }
}

function requireOtherAdmin(store: Store, user: UserRow, fate: string): void {
  if (!store.accounts.isLastAdmin(user.id)) return
  throw new Refusal('conflict', `${user.username} is the last admin and cannot be ${fate}`, {
    hint: 'make somebody else an admin first',
  })
}

function otherAdmin(store: Store, id: number): number {
  const heir = store.accounts.users().find((user) => user.role === 'admin' && user.id !== id)
  if (heir) return heir.id
  throw new Refusal('conflict', 'there is no other admin')
}

function taken(username: string): Refusal {
  return new Refusal('conflict', `username: there is a user ${username} already`, {
    hint: 'choose another name',
    fields: [{ field: 'username', message: 'it is taken' }],
  })
}
