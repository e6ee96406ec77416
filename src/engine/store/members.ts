import type { ProjectRole } from '../domain/access.ts'
import type { Db } from './database.ts'

export interface MemberRow {
  readonly userId: number
  readonly username: string
  readonly role: ProjectRole
  readonly createdAt: string
}

/** What users are in projects. */
export function createMembers(db: Db, now: () => string) {
  const role = db.prepare('SELECT role FROM project_members WHERE project_id = ? AND user_id = ?').pluck()
  const ofUser = db.prepare('SELECT project_id AS projectId, role FROM project_members WHERE user_id = ?')
  const columns = 'user_id AS userId, username, project_members.role, project_members.created_at AS createdAt'
  const ofProject = db.prepare(`
    SELECT ${columns} FROM project_members JOIN users ON users.id = user_id
    WHERE project_id = ? ORDER BY username`)
  const put = db.prepare(`
    INSERT INTO project_members (project_id, user_id, role, created_at) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET role = excluded.role`)
  const remove = db.prepare('DELETE FROM project_members WHERE project_id = ? AND user_id = ?')
  const soleOwner = db
    .prepare(`
      SELECT project_id FROM project_members AS mine WHERE user_id = ? AND role = 'owner' AND NOT EXISTS (
        SELECT 1 FROM project_members WHERE project_id = mine.project_id AND role = 'owner' AND user_id <> mine.user_id)`)
    .pluck()
  return {
    role: (projectId: number, userId: number): ProjectRole | null =>
      (role.get(projectId, userId) as ProjectRole | undefined) ?? null,
    /** A user's role by project number. */
    rolesOf(userId: number): ReadonlyMap<number, ProjectRole> {
      const rows = ofUser.all(userId) as { projectId: number; role: ProjectRole }[]
      return new Map(rows.map((row) => [row.projectId, row.role]))
    },
    list: (projectId: number): MemberRow[] => ofProject.all(projectId) as MemberRow[],
    put: (projectId: number, userId: number, as: ProjectRole): void =>
      void put.run(projectId, userId, as, now()),
    remove: (projectId: number, userId: number): boolean => remove.run(projectId, userId).changes > 0,
    /** Numbers of the projects that nobody else owns. */
    ownedAlone: (userId: number): number[] => soleOwner.all(userId) as number[],
  }
}
