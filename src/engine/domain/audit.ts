import type { Actor } from './access.ts'

/** Who did something, and by which door. */
export interface Who {
  readonly name: string
  /** null: nobody who is signed in, or the server itself. */
  readonly userId: number | null
  /** Of the machine that asked. */
  readonly address: string
  readonly via: 'session' | 'token' | 'git' | 'system'
}

/** The server, when it acts on its own. */
export const theServer: Who = { name: 'NodePilot', userId: null, address: 'local', via: 'system' }

export type AuditSubject =
  | 'account'
  | 'backup'
  | 'config-vars'
  | 'deployment'
  | 'domain'
  | 'job'
  | 'key'
  | 'member'
  | 'preview'
  | 'process'
  | 'project'
  | 'release'
  | 'server'
  | 'session'
  | 'token'
  | 'user'

/** `project.create`, `token.remove`: a subject of the glossary and what was done to it. */
export type AuditAction = `${AuditSubject}.${string}`

/** Values that may be read by every admin: never a secret; config vars by their names. */
export type AuditFacts = Readonly<Record<string, unknown>>

export interface AuditEvent {
  readonly who: Who
  readonly action: AuditAction
  readonly project?: { readonly id: number; readonly name: string } | null
  readonly before?: AuditFacts | null
  readonly after?: AuditFacts | null
}

/** Writes one line into the audit log. Never throws: what was done has been done. */
export type Audit = (event: AuditEvent) => void

export function whoOf(actor: Actor, address: string, via?: Who['via']): Who {
  return {
    name: actor.username,
    userId: actor.userId,
    address,
    via: via ?? (actor.token ? 'token' : 'session'),
  }
}

/** Characters; a command has up to 1,000. */
const longestFact = 1_000

/** Only what differs between the two, for `before` and `after`. */
export function difference(before: AuditFacts, after: AuditFacts): { before: AuditFacts; after: AuditFacts } {
  const changed = Object.keys(after).filter(
    (key) => after[key] !== undefined && JSON.stringify(after[key]) !== JSON.stringify(before[key]),
  )
  const pick = (from: AuditFacts) => Object.fromEntries(changed.map((key) => [key, gist(from[key] ?? null)]))
  return { before: pick(before), after: pick(after) }
}

/** A whole page of text is no fact: its beginning and its length are. */
function gist(value: unknown): unknown {
  if (typeof value !== 'string' || value.length <= longestFact) return value
  return `${value.slice(0, 100)}… (${value.length} characters)`
}
