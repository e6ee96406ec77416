import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { appProcesses, type FoundProcess, processesOf } from './processes.ts'
import { until } from './until.ts'

/**
 * What a home holds that no deployment under way and no running release accounts for: rows, folders, uploads,
 * quarantined objects, processes. Empty when all is well; each complaint names the thing.
 */
export async function leftovers(home: string): Promise<string[]> {
  const database = new Database(join(home, 'nodepilot.db'), { readonly: true })
  try {
    return [
      ...unfinishedRows(database),
      ...(await unknownFolders(database, home)),
      ...(await namesIn(join(home, 'run', 'uploads'), 'upload')),
      ...(await halfMade(home)),
      ...(await quarantines(home)),
      ...(await strayProcesses(database, home)),
    ]
  } finally {
    database.close()
  }
}

/** Waits until nothing is left over: retiring goes on behind the answer. */
export async function nothingLeft(home: string, ms = 20_000): Promise<void> {
  let found: string[] = []
  const look = async () => {
    found = await leftovers(home)
    return found.length === 0
  }
  await until('nothing left behind', look, ms).catch(() => {
    throw new Error(`left behind: ${found.join('; ')}`)
  })
}

/** The apps of a project that run, by the release they belong to: one line of `pid` and release each. */
export async function runningApps(
  home: string,
  project: string,
): Promise<{ pid: number; release: string }[]> {
  const found: { pid: number; release: string }[] = []
  for (const { pid } of await appProcesses(home, project)) {
    const release = (await environmentOf(pid)).get('NODEPILOT_RELEASE')
    if (release) found.push({ pid, release })
  }
  return found
}

/** The environment a process was started with; empty when it is gone. */
export async function environmentOf(pid: number): Promise<Map<string, string>> {
  const text = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
  const entries = text.split('\0').filter((entry) => entry.includes('='))
  return new Map(
    entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  )
}

type Db = InstanceType<typeof Database>

function unfinishedRows(database: Db): string[] {
  const instances = database
    .prepare(`SELECT generation, state FROM instances WHERE state <> 'serving'`)
    .all() as { generation: number; state: string }[]
  const deployments = database
    .prepare(`SELECT number, status FROM deployments WHERE status IN ('queued', 'running')`)
    .all() as { number: number; status: string }[]
  const runs = database.prepare(`SELECT id FROM cron_runs WHERE finished_at IS NULL`).all() as {
    id: number
  }[]
  const deliveries = database
    .prepare(`SELECT id FROM hook_deliveries WHERE result = 'ignored' AND reason IS NULL`)
    .all() as { id: number }[]
  return [
    ...runs.map(({ id }) => `run ${id} of a job`),
    ...deliveries.map(({ id }) => `delivery ${id}`),
    ...instances.map(({ generation, state }) => `row of generation ${generation} (${state})`),
    ...deployments.map(({ number, status }) => `deployment ${number} (${status})`),
  ]
}

async function unknownFolders(database: Db, home: string): Promise<string[]> {
  const rows = database
    .prepare(
      `SELECT projects.name, releases.number FROM releases JOIN projects ON projects.id = releases.project_id
       WHERE pruned_at IS NULL`,
    )
    .all() as { name: string; number: number }[]
  const known = new Set(rows.map(({ name, number }) => `${name}/releases/${number}`))
  const names = new Set(
    (database.prepare('SELECT name FROM projects').all() as { name: string }[]).map(({ name }) => name),
  )
  const found: string[] = []
  for (const project of await readdir(join(home, 'projects'))) {
    if (!names.has(project)) found.push(`folder projects/${project}`)
    for (const release of await readdir(join(home, 'projects', project, 'releases')).catch(() => [])) {
      const path = `${project}/releases/${release}`
      if (!known.has(path)) found.push(`folder ${path}`)
    }
  }
  return found
}

async function quarantines(home: string): Promise<string[]> {
  const repositories = join(home, 'repositories')
  const found: string[] = []
  for (const name of await readdir(repositories).catch(() => [])) {
    const objects = await readdir(join(repositories, name, 'objects')).catch(() => [])
    found.push(...objects.filter((entry) => entry.startsWith('tmp_')).map((entry) => `${name} ${entry}`))
  }
  return found
}

/** Of backups, and of node_modules on their way into the cache. */
async function halfMade(home: string): Promise<string[]> {
  const backups = await namesIn(join(home, 'backups'), 'backup')
  const staging = await namesIn(join(home, 'cache', 'staging'), 'staging')
  return [...backups.filter((name) => !/ \d{8}-\d{6}-[a-z0-9]{4}\.(tar\.gz|json)$/.test(name)), ...staging]
}

async function namesIn(directory: string, what: string): Promise<string[]> {
  return (await readdir(directory).catch(() => [])).map((name) => `${what} ${name}`)
}

/** Installs, builds and git commands that outlived their deployment, and web processes that no serving row knows. */
async function strayProcesses(database: Db, home: string): Promise<string[]> {
  const rows = database.prepare(`SELECT port FROM instances WHERE state = 'serving'`).all() as {
    port: number
  }[]
  const ports = new Set(rows.map(({ port }) => String(port)))
  const found: string[] = []
  for (const one of await processesOf(home)) {
    const environment = await environmentOf(one.pid)
    const port = environment.get('PORT')
    const isApp = environment.has('NODEPILOT_RELEASE') && !environment.has('NODEPILOT_JOB')
    const stray = isApp ? port !== undefined && !ports.has(port) : isWork(one, environment)
    if (stray) found.push(`process ${one.pid} ${one.command.slice(0, 120)}`)
  }
  return found
}

function isWork({ command }: FoundProcess, environment: ReadonlyMap<string, string>): boolean {
  return environment.has('NODEPILOT_JOB') || /\breceive-pack\b|pre-receive/.test(command)
}
