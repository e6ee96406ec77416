import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { environmentOf } from './leftovers.ts'
import { processesOf } from './processes.ts'

/**
 * Where what runs differs from what the database says shall run; empty when they agree. Instances are told by
 * their environment, so that one of a dead PM2, or a second one of the same name, is seen too.
 */
export async function disagreements(home: string): Promise<string[]> {
  const wanted = wantedInstances(home)
  const running = await runningInstances(home)
  return [
    ...wanted.filter((name) => !running.includes(name)).map((name) => `does not run: ${name}`),
    ...running.filter((name) => !wanted.includes(name)).map((name) => `should not run: ${name}`),
    ...running.filter((name, at) => running.indexOf(name) !== at).map((name) => `runs twice: ${name}`),
  ]
}

/** `shop web.1 v12`, of every instance that runs. */
export async function runningInstances(home: string): Promise<string[]> {
  const found = new Map<number, { readonly name: string; readonly parent: number }>()
  for (const { pid, parent } of await processesOf(home)) {
    const environment = await environmentOf(pid)
    const [data, instance] = [environment.get('NODEPILOT_DATA_DIR'), environment.get('NODEPILOT_INSTANCE')]
    if (!data?.startsWith(join(home, 'projects')) || !/^[\w-]+\.\d+$/.test(instance ?? '')) continue
    const project = dirname(data).slice(join(home, 'projects').length + 1)
    found.set(pid, { parent, name: `${project} ${instance} ${environment.get('NODEPILOT_RELEASE')}` })
  }
  // what an instance has started carries its environment too
  return [...found.values()].filter(({ parent }) => !found.has(parent)).map(({ name }) => name)
}

function wantedInstances(home: string): string[] {
  const database = new Database(join(home, 'nodepilot.db'), { readonly: true })
  try {
    const rows = database
      .prepare(
        `SELECT projects.name AS project, type, position, release FROM instances
         JOIN projects ON projects.id = instances.project_id
         WHERE state = 'serving' AND status <> 'stopped'`,
      )
      .all() as { project: string; type: string; position: number; release: number }[]
    return rows.map(({ project, type, position, release }) => `${project} ${type}.${position} v${release}`)
  } finally {
    database.close()
  }
}
