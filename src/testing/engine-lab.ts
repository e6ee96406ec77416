import { randomInt } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import type { Who } from '../engine/domain/audit.ts'
import type { Fetched, FetchFrom } from '../engine/domain/remote.ts'
import { createMemoryRouter } from '../engine/drivers/memory-router.ts'
import { createEngine, type EngineDeps } from '../engine/engine.ts'
import { noFailpoints } from '../engine/failpoints.ts'
import { createPaths } from '../engine/paths.ts'
import type { InstallJob } from '../engine/pipeline/dependencies.ts'
import type { GroupRef, GroupSpec, Source } from '../engine/ports.ts'
import { openDatabase } from '../engine/store/database.ts'
import { openKeyRing } from '../engine/store/key-ring.ts'
import type { ProjectRow } from '../engine/store/projects.ts'
import { createStore } from '../engine/store/store.ts'
import { createVault } from '../engine/store/vault.ts'
import type { Proven } from '../engine/use-cases/attempt.ts'
import { type EntryFixture, sourceOf } from './archives.ts'
import { type AppBehaviour, createLabRuntime } from './lab-apps.ts'
import { createLabRepositories } from './lab-repositories.ts'
import { dependenciesThat, serversOwn } from './lab-tools.ts'
import { removeDirectory, temporaryDirectory } from './temporary.ts'

/**
 * The whole engine on a home of its own: real files and a real database, processes and front door in memory.
 * Apps are HTTP servers of the test's own process, so a deployment takes some 20 ms.
 */
export type Lab = Awaited<ReturnType<typeof createLab>>

/** What goes wrong, where a test says so. Everything is well by default. */
export interface Faults {
  install?: (job: InstallJob) => Promise<void>
  app?: (group: GroupSpec) => AppBehaviour
  /** Before a group is started. */
  start?: (group: GroupSpec) => Promise<void>
  stop?: (group: GroupRef) => Promise<void>
  removeRepository?: () => Promise<void>
  fetch?: (name: string, from: FetchFrom, signal: AbortSignal) => Promise<Fetched>
}

/** Who asks for things in tests of the engine; nobody of the database. */
export const ada: Who = { name: 'ada', userId: null, address: '192.0.2.1', via: 'session' }

export const revisionOf = (letter: string) => letter.repeat(40)

export async function createLab(
  options: {
    readonly keepReleases?: number
    readonly cronRuns?: number
    readonly watchMs?: number
    readonly drainMs?: number
    readonly clock?: () => number
  } = {},
) {
  const clock = options.clock ?? Date.now
  const home = await temporaryDirectory('lab')
  const paths = createPaths(home)
  const db = openDatabase(paths.database)
  // no power cut is tested here
  db.pragma('synchronous = OFF')
  const store = createStore(db, clock, createVault(openKeyRing(paths.keys, Date.now)))
  // tests that run side by side shall not want the same ports
  store.settings.set('generation', String(randomInt(1_000_000)))
  const faults: Faults = {}
  const reports: string[] = []
  const repositories = createLabRepositories(faults)
  const forgotten: string[] = []
  const router = createMemoryRouter()
  const memory = createLabRuntime((group) => faults.app?.(group))
  await memory.connect()

  const deps: EngineDeps = {
    store,
    router,
    ownProcesses: async () => [{ name: 'server', pid: process.pid, restarts: 0 }],
    paths,
    runtime: {
      ...memory,
      start: async (group) => {
        await faults.start?.(group)
        return memory.start(group)
      },
      stop: async (group, graceMs, only) => {
        await faults.stop?.(group)
        return memory.stop(group, graceMs, only)
      },
      forget: async (project) => void forgotten.push(project),
    },
    dependencies: dependenciesThat(() => faults.install, home),
    toolchains: serversOwn,
    repositories,
    addresses: {
      baseDomain: 'localhost',
      panel: () => 'http://127.0.0.1:3000',
      app: (project) => `http://${project}.localhost:3000`,
      git: (project) => `http://127.0.0.1:3000/git/${project}.git`,
    },
    backups: { keep: 7, everyMs: 0 },
    // nothing is looked up outside
    network: { hostname: 'lab', addresses: () => ['192.0.2.1'], resolve: async () => [] },
    keys: { rotate: async () => 0, finish: async () => 0 },
    limits: {
      uploadBytes: 1_000_000,
      packBytes: 1_000_000,
      treeBytes: 1_000_000,
      treeEntries: 1_000,
      builds: 2,
      buildTimeoutMs: 10_000,
      buildOutputBytes: 1_000_000,
      buildMemoryBytes: 1_000_000_000,
      buildProcesses: 1_000,
      minFreeDiskBytes: 0,
      drainMs: options.drainMs ?? 200,
      watchMs: options.watchMs ?? 60_000,
      sleepMinuteMs: 60_000,
    },
    minFreeBytes: 0,
    keeping: {
      releaseMs: 0,
      deploymentLogs: 200,
      deploymentLogMs: 90 * 86_400_000,
      npmCacheBytes: 1_000_000_000,
      buildHomeBytes: 1_000_000_000,
    },
    keepReleases: options.keepReleases ?? 5,
    cronRuns: options.cronRuns ?? 4,
    allowLocalFetch: true,
    environment: { PATH: process.env.PATH ?? '', LANG: 'C.UTF-8' },
    failpoint: noFailpoints,
    clock,
    report: {
      info: (message) => void reports.push(message),
      error: (message, error) => void reports.push(`${message}: ${String(error)}`),
    },
  }
  let engine = createEngine(deps)

  return {
    home,
    paths,
    db,
    store,
    memory,
    router,
    deps,
    faults,
    reports,
    forgotten,
    /** Branches of a project's repository: name → commit. */
    branches: repositories.branches,
    /** A commit that the repositories know. */
    commit(sha: string, files?: readonly EntryFixture[]): Source {
      const source = { ...sourceOf(files ?? appFiles(sha)), revision: sha, label: sha.slice(0, 7) }
      repositories.commits.set(sha, source)
      return source
    },
    get engine() {
      return engine
    },
    /** The server dies and another one starts on the same home; processes and front door have lived on. */
    restart(using = deps) {
      engine = createEngine(using)
      return engine
    },
    project: (name = 'shop') => engine.projects.create({ name }, ada),
    /** Everything up to git moving the ref, as the hooks do it. */
    async prove(project: ProjectRow, source: Source, request: ProveRequest = {}): Promise<Proven> {
      return engine.deployments.provePush({
        project,
        source,
        who: ada,
        check: async () => {},
        onLive: () => {},
        ...request,
      })
    },
    async deploy(project: ProjectRow, source: Source, request: ProveRequest = {}) {
      return (await this.prove(project, source, request)).goLive()
    },
    /** What its route answers now: `200 v1`, or why not. */
    async visit(host: string): Promise<string> {
      const route = router.route(host)
      const endpoint = route?.endpoints[0]
      if (!endpoint) return `nothing (${route?.state ?? 'no route'})`
      const answer = await fetch(`http://${endpoint.host}:${endpoint.port}/visit`, {
        headers: { connection: 'close' },
      })
      return `${answer.status} ${await answer.text()}`
    },
    releasesOnDisk: (project: string) => readdir(paths.releases(project)).then((names) => names.sort()),
    /** Only closing waits for the work in the background, so another engine takes over. */
    async settled() {
      await engine.close()
      engine = createEngine(deps)
    },
    async close() {
      await engine.close()
      await memory.shutdown()
      db.close()
      await removeDirectory(home)
    },
  }
}

export interface ProveRequest {
  readonly signal?: AbortSignal
  readonly output?: (line: string) => void
  readonly check?: () => Promise<void>
  readonly onLive?: () => void
}

/** An app that starts with `node server.js`; it is never run, `launchApp` answers for it. */
export function appFiles(version: string, scripts: Readonly<Record<string, string>> = {}): EntryFixture[] {
  return [
    { path: 'package.json', data: JSON.stringify({ scripts: { start: 'node server.js', ...scripts } }) },
    { path: 'server.js', data: `// ${version}\n` },
  ]
}
