import {
  lockedRefusal,
  type StoredVars,
  type VarScope,
  type VarScopes,
  type Vars,
} from '../domain/config-vars.ts'
import type { KeyRing } from './key-ring.ts'
import { keyIdOf, seal, unseal } from './sealing.ts'

/**
 * Config vars as they stand in the database: JSON of name → `{sealed, scope?}`. Names can be read without a key, so
 * that what was lost with one can still be named. A plain text in place of an entry is of an older NodePilot.
 */
export type Vault = ReturnType<typeof createVault>

interface Entry {
  readonly sealed: string
  readonly scope?: VarScope
}

type Document = Readonly<Record<string, Entry | string>>

export function createVault(ring: KeyRing) {
  const open = (projectId: number, name: string, entry: Entry | string): string | null => {
    if (typeof entry === 'string') return entry
    const key = ring.find(keyIdOf(entry.sealed))
    return key && unseal(key, { projectId, name }, entry.sealed)
  }
  const entryOf = (projectId: number, name: string, value: string, scope: VarScope | undefined): Entry => {
    const key = ring.current()
    if (!key) throw new Error('config vars cannot be stored: no key was opened')
    const sealed = seal(key, { projectId, name }, value)
    return scope === undefined ? { sealed } : { sealed, scope }
  }

  return {
    /** `kept`: entries of `before` that stay as they are, opened or not. */
    close(
      projectId: number,
      values: Vars,
      scopes: VarScopes,
      { before = '{}', kept = [] }: { readonly before?: string; readonly kept?: readonly string[] } = {},
    ): string {
      const scopeOf = (name: string) => (Object.hasOwn(scopes, name) ? scopes[name] : undefined)
      const old = parse(before)
      const locked = kept.flatMap((name) => {
        const entry = Object.hasOwn(values, name) || !Object.hasOwn(old, name) ? undefined : old[name]
        return entry === undefined ? [] : [[name, entry] as const]
      })
      const sealed = Object.entries(values).map(
        ([name, value]) => [name, entryOf(projectId, name, value, scopeOf(name))] as const,
      )
      return JSON.stringify(Object.fromEntries([...locked, ...sealed]))
    },

    /** Nothing is opened before it is asked for: lists of projects need no values. */
    lazily(projectId: number, text: string | null): StoredVars {
      const document = once(() => parse(text ?? '{}'))
      const opened = once(() => openAll(projectId, document(), open))
      return {
        get envVars() {
          const { values, locked } = opened()
          if (locked.length > 0) throw lockedRefusal(locked)
          return values
        },
        get readableVars() {
          return opened().values
        },
        get lockedVars() {
          return Object.entries(document()).flatMap(([name, entry]) =>
            typeof entry === 'string' || ring.find(keyIdOf(entry.sealed)) ? [] : [name],
          )
        },
        get envScopes() {
          return scopesIn(document())
        },
      }
    },

    /** The same config vars under the current key; null where they are already. What cannot be opened stays. */
    renew(projectId: number, text: string): string | null {
      const current = ring.current()?.id
      const entries = Object.entries(parse(text))
      const old = ([, entry]: (typeof entries)[number]) =>
        typeof entry === 'string' || keyIdOf(entry.sealed) !== current
      if (!entries.some(old)) return null
      const renewed = entries.map(([name, entry]) => {
        const value = old([name, entry]) ? open(projectId, name, entry) : null
        if (value === null) return [name, entry] as const
        return [name, entryOf(projectId, name, value, scopeIn(entry))] as const
      })
      return JSON.stringify(Object.fromEntries(renewed))
    },
  }
}

function openAll(
  projectId: number,
  document: Document,
  open: (projectId: number, name: string, entry: Entry | string) => string | null,
): { readonly values: Vars; readonly locked: readonly string[] } {
  const locked: string[] = []
  const values: [string, string][] = []
  for (const [name, entry] of Object.entries(document)) {
    const value = open(projectId, name, entry)
    if (value === null) locked.push(name)
    else values.push([name, value])
  }
  return { values: Object.fromEntries(values), locked }
}

function scopesIn(document: Document): VarScopes {
  return Object.fromEntries(
    Object.entries(document).flatMap(([name, entry]) => {
      const scope = scopeIn(entry)
      return scope === undefined ? [] : [[name, scope]]
    }),
  )
}

function scopeIn(entry: Entry | string): VarScope | undefined {
  return typeof entry === 'string' ? undefined : entry.scope
}

function parse(text: string): Document {
  return JSON.parse(text) as Document
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
