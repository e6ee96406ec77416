import type { Db } from './database.ts'

export type InstanceState = 'candidate' | 'serving' | 'retiring'

/** A process that NodePilot started and has not yet ended. */
export interface InstanceRow {
  readonly projectId: number
  readonly release: number
  readonly type: string
  /** From 1: `web.1`. */
  readonly position: number
  readonly generation: number
  /** The release whose directory it runs in. */
  readonly slug: number
  readonly port: number | null
  readonly state: InstanceState
  /** Why it was ended for good; null: it is to run. */
  readonly problem?: string | null
  /** A worker of a cluster: only the first one has the port. */
  readonly cluster?: boolean
  /** Out of service, and running until this time to be switched back to, ISO 8601; null: to be ended. */
  readonly keptUntil?: string | null
}

type Group = Pick<InstanceRow, 'type' | 'generation'>

export type Instances = ReturnType<typeof createInstances>

const columns =
  'project_id AS projectId, release, type, position, generation, slug, port, state, problem, cluster, kept_until AS keptUntil'

export function createInstances(db: Db, now: () => string) {
  const insert = db.prepare(`
    INSERT INTO instances
      (project_id, release, type, position, generation, slug, port, state, cluster, created_at)
    VALUES (@projectId, @release, @type, @position, @generation, @slug, @port, @state, @cluster, @now)`)
  const promote = db.prepare(
    `UPDATE instances SET state = 'serving' WHERE project_id = ? AND generation = ? AND state = 'candidate'`,
  )
  const retireOthers = db.prepare(
    `UPDATE instances SET state = 'retiring' WHERE project_id = ? AND generation <> ? AND state = 'serving'`,
  )
  const retireType = db.prepare(
    `UPDATE instances SET state = 'retiring' WHERE project_id = ? AND type = ? AND state = 'serving'`,
  )
  const retireAbove = db.prepare(`
    UPDATE instances SET state = 'retiring'
    WHERE project_id = ? AND type = ? AND position > ? AND state = 'serving'`)
  const keep = db.prepare(`
    UPDATE instances SET kept_until = ?
    WHERE project_id = ? AND generation <> ? AND type = 'web' AND state = 'serving' AND problem IS NULL`)
  const letGo = db.prepare('UPDATE instances SET kept_until = NULL WHERE project_id = ?')
  const recall = db.prepare(`
    UPDATE instances SET state = 'candidate', kept_until = NULL
    WHERE project_id = ? AND generation = ? AND state = 'retiring' AND kept_until IS NOT NULL`)
  const retireOne = db.prepare(`
    UPDATE instances SET state = 'retiring'
    WHERE project_id = ? AND generation = ? AND type = ? AND position = ?`)
  const movePort = db.prepare(
    'UPDATE instances SET port = ? WHERE project_id = ? AND generation = ? AND type = ? AND position = ?',
  )
  const remove = db.prepare(
    'DELETE FROM instances WHERE project_id = ? AND generation = ? AND type = ? AND position = ?',
  )
  const ofProject = db.prepare(
    `SELECT ${columns} FROM instances WHERE project_id = ? ORDER BY type, position, generation`,
  )
  const all = db.prepare(`SELECT ${columns} FROM instances ORDER BY project_id, type, position, generation`)
  const fail = db.prepare(`
    UPDATE instances SET problem = ?
    WHERE project_id = ? AND generation = ? AND type = ? AND position = ?`)
  const byPort = db.prepare('SELECT 1 FROM instances WHERE port = ?')
  return {
    create(instance: InstanceRow): void {
      insert.run({ ...instance, cluster: instance.cluster ? 1 : 0, now: now() })
    },
    /** This generation serves from now on; every other serving one of the project is to end. */
    promote(projectId: number, generation: number): void {
      promote.run(projectId, generation)
      retireOthers.run(projectId, generation)
    },
    /** This generation serves too, beside whatever serves already. */
    admit(projectId: number, generation: number): void {
      promote.run(projectId, generation)
    },
    /** It has to run on another port. */
    movePort(row: InstanceRow, port: number): void {
      movePort.run(port, row.projectId, row.generation, row.type, row.position)
    },
    /** It has been ended for good: nobody is to start it again, or to route to it. */
    fail(row: InstanceRow, problem: string): void {
      fail.run(problem, row.projectId, row.generation, row.type, row.position)
    },
    /** These instances of a group are to end, whatever they were. */
    retire(projectId: number, { type, generation }: Group, positions: readonly number[]): void {
      for (const position of positions) retireOne.run(projectId, generation, type, position)
    },
    /** Every serving instance of the type is to end. */
    retireType(projectId: number, type: string): void {
      retireType.run(projectId, type)
    },
    /** Only so many of the type are still wanted: those with the highest positions are to end. */
    retireAbove(projectId: number, type: string, count: number): void {
      retireAbove.run(projectId, type, count)
    },
    /** Everything of the project is to end. */
    retireAll(projectId: number): void {
      letGo.run(projectId)
      retireOthers.run(projectId, -1)
    },
    /** Before another generation takes over: the web instances that serve now stay until then, and none of before. */
    keep(projectId: number, generation: number, until: string): void {
      letGo.run(projectId)
      keep.run(until, projectId, generation)
    },
    /** Whatever was kept is to end. */
    letGo(projectId: number): void {
      letGo.run(projectId)
    },
    /** What was kept of this generation is to serve again. */
    recall(projectId: number, generation: number): void {
      recall.run(projectId, generation)
    },
    /** They have ended. */
    remove(projectId: number, { type, generation }: Group, positions: readonly number[]): void {
      for (const position of positions) remove.run(projectId, generation, type, position)
    },
    ofProject(projectId: number, state?: InstanceState): InstanceRow[] {
      const rows = (ofProject.all(projectId) as RawInstance[]).map(toInstance)
      return state ? rows.filter((row) => row.state === state) : rows
    },
    list(): InstanceRow[] {
      return (all.all() as RawInstance[]).map(toInstance)
    },
    portTaken(port: number): boolean {
      return byPort.get(port) !== undefined
    },
  }
}

type RawInstance = Omit<InstanceRow, 'cluster'> & { readonly cluster: 0 | 1 }

function toInstance(row: RawInstance): InstanceRow {
  return { ...row, cluster: row.cluster === 1 }
}
