import path from 'node:path'

/** Where everything lies under the home (`NODEPILOT_HOME`). One table, so that "where is …?" has one answer. */
export interface Paths {
  readonly home: string
  readonly database: string
  readonly keys: string
  /** What the operator set. */
  readonly settings: string
  readonly repositories: string
  readonly projects: string
  readonly logs: string
  readonly run: string
  readonly cache: string
  readonly uploads: string
  /** Keys, while git uses them. */
  readonly fetches: string
  readonly pm2Home: string
  readonly backups: string
  readonly serverSocket: string
  readonly serverFile: string
  readonly setupFile: string
  /** Of the front door's keeper. */
  readonly keeper: string
  readonly routerConfig: string
  readonly routerSocket: string
  readonly routerState: string
  project(name: string): string
  releases(name: string): string
  release(name: string, release: number): string
  /** Survives releases. */
  data(name: string): string
  /** HOME of its builds. */
  buildHome(name: string): string
  projectLogs(name: string): string
  deploymentLog(name: string, deployment: number): string
  /** The output of a run of a scheduled job. */
  cronLog(name: string, run: number): string
}

export function createPaths(home: string): Paths {
  const at = (...parts: string[]) => path.join(home, ...parts)
  return {
    home,
    database: at('nodepilot.db'),
    keys: at('keys'),
    settings: at('nodepilot.json'),
    repositories: at('repositories'),
    projects: at('projects'),
    logs: at('logs'),
    run: at('run'),
    cache: at('cache'),
    uploads: at('run', 'uploads'),
    fetches: at('run', 'fetches'),
    pm2Home: at('pm2'),
    backups: at('backups'),
    serverSocket: at('run', 'server.sock'),
    serverFile: at('run', 'server.json'),
    setupFile: at('run', 'setup'),
    keeper: at('run', 'keeper'),
    routerConfig: at('run', 'router.json'),
    routerSocket: at('run', 'router.sock'),
    routerState: at('run', 'routes.json'),
    project: (name) => at('projects', name),
    releases: (name) => at('projects', name, 'releases'),
    release: (name, release) => at('projects', name, 'releases', String(release)),
    data: (name) => at('projects', name, 'data'),
    buildHome: (name) => at('projects', name, 'build-home'),
    projectLogs: (name) => at('logs', name),
    deploymentLog: (name, deployment) => at('logs', name, 'deploys', `${deployment}.log`),
    cronLog: (name, run) => at('logs', name, 'cron', `${run}.log`),
  }
}
