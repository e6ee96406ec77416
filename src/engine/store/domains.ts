import type { Db } from './database.ts'

export type DomainStatus = 'ok' | 'pending' | 'mismatch'

/** A host that leads to a project. */
export interface DomainRow {
  readonly domain: string
  readonly projectId: number
  /** Its project's other hosts lead on to this one. */
  readonly primary: boolean
  readonly status: DomainStatus
  /** Where DNS led at the last look. */
  readonly found: readonly string[]
  readonly checkedAt: string | null
  readonly createdAt: string
}

export type Domains = ReturnType<typeof createDomains>

const columns = `domain, project_id AS projectId, is_primary AS isPrimary, status, found,
  checked_at AS checkedAt, created_at AS createdAt`

export function createDomains(db: Db, now: () => string) {
  const insert = db.prepare('INSERT INTO domains (domain, project_id, created_at) VALUES (?, ?, ?)')
  const find = db.prepare(`SELECT ${columns} FROM domains WHERE domain = ?`)
  const all = db.prepare(`SELECT ${columns} FROM domains ORDER BY created_at, domain`)
  const ofProject = db.prepare(
    `SELECT ${columns} FROM domains WHERE project_id = ? ORDER BY created_at, domain`,
  )
  const remove = db.prepare('DELETE FROM domains WHERE domain = ? AND project_id = ?')
  const clearPrimary = db.prepare('UPDATE domains SET is_primary = 0 WHERE project_id = ? AND is_primary = 1')
  const setPrimary = db.prepare('UPDATE domains SET is_primary = 1 WHERE project_id = ? AND domain = ?')
  const note = db.prepare('UPDATE domains SET status = ?, found = ?, checked_at = ? WHERE domain = ?')
  return {
    create(domain: string, projectId: number): void {
      insert.run(domain, projectId, now())
    },
    find(domain: string): DomainRow | null {
      const row = find.get(domain) as RawDomain | undefined
      return row ? toDomain(row) : null
    },
    /** Of every project that has some, oldest first. */
    byProject(): Map<number, DomainRow[]> {
      const found = new Map<number, DomainRow[]>()
      for (const row of (all.all() as RawDomain[]).map(toDomain)) {
        found.set(row.projectId, [...(found.get(row.projectId) ?? []), row])
      }
      return found
    },
    ofProject(projectId: number): DomainRow[] {
      return (ofProject.all(projectId) as RawDomain[]).map(toDomain)
    },
    remove: (domain: string, projectId: number): boolean => remove.run(domain, projectId).changes > 0,
    /** null: none is. */
    setPrimary: db.transaction((projectId: number, domain: string | null): void => {
      clearPrimary.run(projectId)
      if (domain !== null) setPrimary.run(projectId, domain)
    }),
    noteCheck(domain: string, status: DomainStatus, found: readonly string[]): void {
      note.run(status, JSON.stringify(found), now(), domain)
    },
  }
}

interface RawDomain extends Omit<DomainRow, 'primary' | 'found'> {
  readonly isPrimary: number
  readonly found: string
}

function toDomain({ isPrimary, found, ...row }: RawDomain): DomainRow {
  return { ...row, primary: isPrimary === 1, found: JSON.parse(found) as string[] }
}
