import { lstat } from 'node:fs/promises'
import path from 'node:path'
import type { Confinement } from '../confine.ts'
import { confined } from '../confine.ts'
import type { Isolation } from '../isolation.ts'
import type { Command, Exit } from '../shell.ts'
import { type BuildLimits, runBuildCommand } from './build-command.ts'
import { findNpm, type PackageManager, type Toolchain, toolchainPath } from './dependencies/toolchain.ts'
import type { PackageJson } from './package-json.ts'

/** Runs scripts of a package.json the way npm does, without npm: it takes 150 ms and 60 MB to start `sh`. */

/** What a server builds with; the same for all its deployments. */
export interface BuildTools {
  /** The app's; the server's own where it asks for none. */
  readonly toolchain: Toolchain
  /** The app's; null: npm, as it is found on PATH. */
  readonly manager: PackageManager | null
  readonly confinement: Confinement
  readonly isolation: Isolation
  /** What every child process may see of the server's environment: PATH (npm, git, compilers), LANG … */
  readonly environment: Readonly<Record<string, string>>
  /** HOME of builds that have none of their own; what npm runs for a kept tree gets a fresh one below it. */
  readonly buildHome: string
  /** npm's download cache. */
  readonly npmCache: string
  /** `npm_config_…` settings handed on from the server's environment: registry, proxy, certificates. */
  readonly npmConfig: Readonly<Record<string, string>>
  readonly limits: BuildLimits
}

/** One app being installed and built. */
export interface BuildJob {
  readonly slug: string
  /** Null for an app without one. */
  readonly packageJson: PackageJson | null
  /** The project's config vars; they win over everything that NodePilot sets. */
  readonly configVars: Readonly<Record<string, string>>
  /** Every line of output as it comes. */
  readonly say: (line: string) => void
  readonly signal: AbortSignal
  /** The app's Node and package manager. */
  readonly tools?: Pick<BuildTools, 'toolchain' | 'manager' | 'npmConfig'>
  /** HOME: caches of tools, never the home of a person, and never another project's, whose npm would obey it. */
  readonly home?: string
  /** The project's own limits, where they differ from the server's. */
  readonly limits?: BuildLimits
  /** See `RunOptions.job`: a mark by which nothing that this job started survives it. */
  readonly job?: string
  /** Awaited before everything that is heavy: a place among the builds of the machine. At once where it is held. */
  readonly enter?: () => Promise<void>
}

export interface Script {
  readonly event: string
  readonly command: string
  /** The folder below the slug whose package.json it stands in; '' for the app itself. */
  readonly folder: string
  readonly packageJson: PackageJson
  /** What npm would have been called with: `ci`, `run`. */
  readonly npmCommand: string
  /** Whether read-only files must bind: exactly while the app's `node_modules` are shared. */
  readonly confine: boolean
}

/** What npm runs when a package has a binding.gyp and no word on how to install it. */
const implicitInstall = 'node-gyp rebuild'

/** The script of this name, also npm's implicit one; null when there is none. */
export async function findScript(
  slug: string,
  folder: string,
  packageJson: PackageJson,
  event: string,
): Promise<string | null> {
  const { scripts, gypfile } = packageJson
  if (scripts[event]) return scripts[event]
  if (event !== 'install' || scripts.preinstall || gypfile === false) return null
  const gyp = await lstat(path.join(slug, folder, 'binding.gyp')).catch(() => null)
  return gyp?.isFile() ? implicitInstall : null
}

/** Runs one script to its end. Refuses as `shell.run` does; a non-zero exit is the answer. */
export async function runScript(script: Script, job: BuildJob, tools: BuildTools): Promise<Exit> {
  const manager = tools.manager ?? (await findNpm(toolsPath(tools)))
  const command = scriptCommand(script, job, tools, manager)
  await job.enter?.()
  for (const line of script.command.trim().split('\n')) job.say(`> ${line}`)
  return runBuildCommand(script.confine ? confined(tools.confinement, command) : command, {
    signal: job.signal,
    job: job.job,
    isolation: tools.isolation,
    limits: job.limits ?? tools.limits,
    failure: script.npmCommand === 'run' ? 'build_failed' : 'install_failed',
    onLine: (line) => job.say(line),
  })
}

export function scriptCommand(
  script: Script,
  job: Pick<BuildJob, 'slug' | 'configVars' | 'home'>,
  tools: BuildTools,
  manager: PackageManager | null,
): Command {
  const env = {
    ...baseEnvironment(tools, job.home),
    NODE_ENV: 'production',
    ...job.configVars,
    ...npmEnvironment(script, job.slug, tools, manager),
    ...managerEnvironment(manager),
  }
  const searchPath = job.configVars.PATH ?? toolsPath(tools)
  const PATH = [...binFolders(job.slug, script.folder), ...gypFolder(manager), searchPath].join(
    path.delimiter,
  )
  const cwd = path.join(job.slug, script.folder)
  return { file: '/bin/sh', args: ['-c', script.command], cwd, env: { ...env, PATH } }
}

/** The same for npm and for scripts: nothing of the server's own environment but what is named here. */
export function baseEnvironment(tools: BuildTools, home = tools.buildHome): Record<string, string> {
  return {
    LANG: 'C.UTF-8',
    ...tools.environment,
    PATH: toolsPath(tools),
    HOME: home,
    // husky and its like set up git hooks, and there is no repository here.
    HUSKY: '0',
    ...tools.npmConfig,
    ...(tools.toolchain.headers === null ? {} : { npm_config_nodedir: tools.toolchain.headers }),
  }
}

/** PATH with the app's Node first, then its package manager. */
export function toolsPath({
  toolchain,
  manager,
  environment,
}: Pick<BuildTools, 'toolchain' | 'manager' | 'environment'>): string {
  return toolchainPath(toolchain, manager, environment.PATH ?? '/usr/local/bin:/usr/bin:/bin')
}

/** The variables of npm's RFC 183 and those that `only-allow` and its like look at. */
function npmEnvironment(
  { event, command, folder, packageJson, npmCommand }: Script,
  slug: string,
  { toolchain, npmCache }: BuildTools,
  manager: PackageManager | null,
): Record<string, string> {
  const { node, nodeVersion, platform, arch } = toolchain
  const workspaces = packageJson.workspaces.length > 0
  const { name, version, config, engines, bin } = packageJson
  return {
    ...flatten({ name, version, config, engines, bin }, 'npm_package_'),
    npm_package_json: path.join(slug, folder, 'package.json'),
    npm_lifecycle_event: event,
    npm_lifecycle_script: command,
    npm_command: npmCommand,
    npm_node_execpath: node,
    NODE: node,
    INIT_CWD: slug,
    npm_config_local_prefix: slug,
    npm_config_cache: npmCache,
    npm_config_user_agent: `${userAgent(manager)} node/v${nodeVersion} ${platform} ${arch} workspaces/${workspaces}`,
    // what asks for the package manager that runs it (npm-run-all) starts this
    ...(manager?.bin ? { npm_execpath: path.join(manager.bin, manager.name) } : {}),
    ...(manager?.name === 'npm' && manager.directory
      ? {
          npm_execpath: path.join(manager.directory, 'bin/npm-cli.js'),
          npm_config_node_gyp: path.join(manager.directory, 'node_modules/node-gyp/bin/node-gyp.js'),
        }
      : {}),
  }
}

/**
 * What a package manager must be told where something runs that may call it (`pnpm start`): it is the one of
 * `packageManager` already, and installs nothing of its own accord.
 */
export function managerEnvironment(manager: PackageManager | null): Record<string, string> {
  if (manager?.name === 'yarn') return { YARN_IGNORE_PATH: '1', YARN_NODE_LINKER: 'node-modules' }
  if (manager?.name !== 'pnpm') return {}
  return {
    npm_config_manage_package_manager_versions: 'false',
    npm_config_verify_deps_before_run: 'false',
    pnpm_config_pm_on_fail: 'ignore',
    pnpm_config_verify_deps_before_run: 'false',
  }
}

function userAgent(manager: PackageManager | null): string {
  const own = `${manager?.name ?? 'npm'}/${manager?.version ?? '?'}`
  return manager === null || manager.name === 'npm' ? own : `${own} npm/?`
}

/** As npm: `null` and `false` are empty, lists are numbered, objects are joined by `_`. */
function flatten(value: Readonly<Record<string, unknown>>, prefix: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [key, entry] of Object.entries(value)) {
    if (entry === undefined) continue
    if (entry === null || entry === false) found[prefix + key] = ''
    else if (typeof entry === 'object')
      Object.assign(found, flatten(entry as Record<string, unknown>, `${prefix}${key}_`))
    else found[prefix + key] = String(entry)
  }
  return found
}

/** `node_modules/.bin` from the folder up to the slug, and not above it as npm does. */
function binFolders(slug: string, folder: string): string[] {
  const folders: string[] = []
  for (let at = folder; ; at = path.posix.dirname(at)) {
    const here = at === '.' ? '' : at
    folders.push(path.join(slug, here, 'node_modules/.bin'))
    if (here === '') return folders
  }
}

function gypFolder(manager: PackageManager | null): string[] {
  if (manager?.name !== 'npm' || manager.directory === null) return []
  return [path.join(manager.directory, 'node_modules/@npmcli/run-script/lib/node-gyp-bin')]
}
