import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { lockfileNames } from './dependencies/explain.ts'
import { readForeignLockfile } from './dependencies/foreign-lockfile.ts'
import { type Lockfile, readLockfile } from './dependencies/lockfile.ts'
import {
  findOwnScripts,
  leaveModulesAlone,
  markLinkedCommands,
  runOwnScripts,
} from './dependencies/own-scripts.ts'
import { DamagedTree, type PlaceMode } from './dependencies/place.ts'
import {
  commandName,
  installLabel,
  kindOf,
  type ManagerKind,
  runInstall,
} from './dependencies/run-install.ts'
import { makePrivate, markShared, sharedRoots } from './dependencies/shared.ts'
import { fingerprint, planStaging, type Staging, writeStaging } from './dependencies/staging.ts'
import {
  clearRoots,
  createModuleStore,
  type Installed,
  type Kept,
  type ModuleStore,
  type ObtainOptions,
} from './dependencies/store.ts'
import { findNpm } from './dependencies/toolchain.ts'
import { leadToRegistry } from './dependencies/yarn-registry.ts'
import type { PackageJson } from './package-json.ts'
import { type BuildJob, type BuildTools, toolsPath } from './scripts.ts'
import { noNpm } from './toolchain/registry.ts'

/** Gives releases their dependencies; one for a home. */
export interface Dependencies {
  /** With the server's own Node and npm. */
  readonly tools: BuildTools
  /**
   * With a lockfile npm runs once for all releases that agree on it: the tree is kept and linked. The app's
   * own install scripts run every time, in the release.
   *
   * Refuses with `install_failed`, `disk_full`, `out_of_memory`, `rejected_tree`, and as `shell.run` does
   * (`timeout`, `output_limit`, `cancelled`).
   */
  install(job: InstallJob): Promise<Installation>
  /** Whether a slug's modules are hard links that others share: then what runs in it must be confined. */
  isShared(slug: string): Promise<boolean>
  /** Gives a slug files of its own in place of shared ones. Nothing to do when they are not shared. */
  makePrivate(slug: string, signal: AbortSignal): Promise<void>
  /** Removes kept trees that were not used for `maxAgeMs`, but never the `keep` used last. Returns how many. */
  prune(options: { readonly maxAgeMs: number; readonly keep: number }): Promise<number>
  /** Removes what a killed server left half-made. For the start, before any deployment. Returns how many. */
  cleanLeftovers(): Promise<number>
}

export interface InstallJob extends BuildJob {
  /** `-o no-cache`: installs anew, also what is kept, and keeps that. */
  readonly noCache: boolean
  /** The project wants writable files of its own (a copy, which takes seconds for big trees). */
  readonly privateCopy?: boolean
}

export interface Installation {
  /** For the step's line: `npm ci, Node 20.20.2`, `71 packages kept`, `no dependencies`. */
  readonly note: string
  readonly shared: boolean
}

export interface DependenciesOptions {
  /** `<home>/cache`. */
  readonly cache: string
  readonly tools: BuildTools
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export function createDependencies({ cache, tools, now }: DependenciesOptions): Dependencies {
  const directory = path.join(cache, 'modules')
  const store = createModuleStore({ directory, now, keptOwner: tools.confinement.keptOwner })
  return {
    tools,
    install: (job) => installDependencies(job, store, { ...tools, ...job.tools }),
    isShared: async (slug) => (await sharedRoots(slug)) !== null,
    makePrivate,
    prune: store.prune,
    cleanLeftovers: async () => {
      for (const name of await readdir(tools.buildHome).catch(() => [] as string[])) {
        if (name.startsWith('npm-'))
          await rm(path.join(tools.buildHome, name), { recursive: true, force: true })
      }
      return store.cleanLeftovers()
    },
  }
}

async function installDependencies(
  job: InstallJob,
  store: ModuleStore,
  tools: BuildTools,
): Promise<Installation> {
  await mkdir(tools.buildHome, { recursive: true })
  if (job.home !== undefined) await mkdir(job.home, { recursive: true })
  const app = job.packageJson
  if (app === null) return notShared(nothingNote(tools))
  const kind = kindOf(tools.manager)
  const lockfile =
    kind === 'npm' ? await readLockfile(job.slug) : await readForeignLockfile(job.slug, app, kind)
  // what pnpm installs may be named in its workspaces alone
  if (!hasDependencies(app) && (kind === 'npm' || lockfile === null)) return installNothing(app, job, tools)
  if (lockfile === null) return installWithoutLockfile(kind, job, tools)
  const staging = await planStaging(job.slug, app, lockfile, kind)
  if (staging.unkeepable !== null) return installInPlace(job, staging.unkeepable, tools)
  return installKept({ job, app, lockfile, staging, store, tools })
}

function hasDependencies(app: PackageJson): boolean {
  const { dependencies, devDependencies, optionalDependencies, peerDependencies, workspaces } = app
  const groups = [dependencies, devDependencies, optionalDependencies, peerDependencies, workspaces]
  return groups.some((group) => Object.keys(group).length > 0)
}

async function installNothing(app: PackageJson, job: InstallJob, tools: BuildTools): Promise<Installation> {
  await runOwnScripts(await findOwnScripts(job.slug, app, [], [], kindOf(tools.manager)), job, tools)
  return notShared(nothingNote(tools))
}

async function installWithoutLockfile(
  kind: ManagerKind,
  job: InstallJob,
  tools: BuildTools,
): Promise<Installation> {
  const name = commandName(kind)
  job.say(
    `hint: commit ${lockfileOf(kind)}: the same versions every time, and no ${name} when it is unchanged.`,
  )
  return inSlug(false, job, tools)
}

async function installInPlace(job: InstallJob, reason: string, tools: BuildTools): Promise<Installation> {
  job.say(`node_modules cannot be kept for the next time: ${reason}.`)
  return inSlug(true, job, tools)
}

/** The package manager runs the app's own scripts here itself. */
async function inSlug(frozen: boolean, job: InstallJob, tools: BuildTools): Promise<Installation> {
  await clearRoots(job.slug, [])
  await runInstall(
    { frozen, cwd: job.slug, noCache: job.noCache, variables: job.configVars, home: job.home },
    job,
    tools,
  )
  return notShared(installNote(frozen, tools))
}

/** `pnpm install, Node 22.11.0` */
function installNote(frozen: boolean, { manager, toolchain }: BuildTools): string {
  return `${installLabel(kindOf(manager), frozen)}, Node ${toolchain.nodeVersion}`
}

function nothingNote({ toolchain }: BuildTools): string {
  // only a Node of its own is worth a word
  return `no dependencies${toolchain.headers === null ? '' : `, Node ${toolchain.nodeVersion}`}`
}

interface KeptInstall {
  readonly job: InstallJob
  readonly app: PackageJson
  readonly lockfile: Lockfile
  readonly staging: Staging
  readonly store: ModuleStore
  readonly tools: BuildTools
}

async function installKept(given: KeptInstall): Promise<Installation> {
  const { job, app, lockfile, store, tools } = given
  const { links, readers } = lockfile
  const kind = kindOf(tools.manager)
  const own = await findOwnScripts(job.slug, app, links, [], kind)
  const shareable = tools.confinement.kind === 'permissions' && !job.privateCopy && !(await store.reflinks())
  const shared = shareable && readers.length === 0 && leaveModulesAlone(own)
  const kept = await placeSound(await keepRequest(given), shared ? 'link' : 'copy', job, store)
  if (shared) await markShared(job.slug, kept.manifest.roots)
  await markLinkedCommands(job.slug, links)
  // Scripts of dependencies can only be read where they lie.
  const scripts = readers.length ? await findOwnScripts(job.slug, app, links, readers, kind) : own
  const confine = shared
  await runOwnScripts(
    scripts.map((script) => ({ ...script, confine })),
    job,
    tools,
  )
  const note = kept.fresh ? installNote(true, tools) : `${count(kept.manifest.packages)} kept`
  return { note, shared }
}

interface KeepRequest {
  readonly hash: string
  install(directory: string): Promise<Installed>
}

async function keepRequest({ job, lockfile, staging, tools }: KeptInstall): Promise<KeepRequest> {
  const manager = tools.manager ?? (await findNpm(toolsPath(tools)))
  if (manager === null) throw noNpm()
  const variables = pick(job.configVars, staging.variables)
  const install = async (directory: string) => {
    await writeStaging(staging, directory)
    if (kindOf(manager) === 'yarn') await leadToRegistry(directory, tools.npmConfig.npm_config_registry)
    // Not confined: nothing is shared yet, and unpackers that run as root need its powers.
    // what other apps share is made where no app has been before: a .npmrc in HOME would be obeyed
    const home = await mkdtemp(path.join(tools.buildHome, 'npm-'))
    try {
      await runInstall({ frozen: true, cwd: directory, noCache: job.noCache, variables, home }, job, tools)
    } finally {
      await rm(home, { recursive: true, force: true })
    }
    return { roots: lockfile.roots.map((root) => path.posix.join(root, 'node_modules')) }
  }
  return { hash: fingerprint(staging, tools.toolchain, manager, variables), install }
}

/** Places the kept tree; one that was tampered with is thrown away and installed anew. */
async function placeSound(
  { hash, install }: KeepRequest,
  mode: PlaceMode,
  job: InstallJob,
  store: ModuleStore,
): Promise<Kept> {
  for (let attempt = 1; ; attempt++) {
    const replace = job.noCache && attempt === 1
    const kept = await obtainKept(store, hash, { replace, signal: job.signal, install }, job)
    try {
      await store.place(kept, job.slug, mode, job.signal)
      return kept
    } catch (error) {
      if (!(error instanceof DamagedTree) || attempt === 3) throw error
      job.say('The kept node_modules were changed from outside: they are thrown away and installed anew.')
      await store.discard(kept, job.signal)
    }
  }
}

/**
 * Who only takes what is kept needs no place among the builds. Who installs takes it before the lock of the tree:
 * one that waits with the lock would be waited for by one that builds.
 */
async function obtainKept(
  store: ModuleStore,
  hash: string,
  options: ObtainOptions,
  job: InstallJob,
): Promise<Kept> {
  const kept = options.replace ? null : await store.find(hash, job.signal)
  if (kept !== null) return kept
  await job.enter?.()
  return store.obtain(hash, options)
}

function notShared(note: string): Installation {
  return { note, shared: false }
}

function lockfileOf(kind: ManagerKind): string {
  return kind === 'npm' ? 'package-lock.json' : lockfileNames[kind]
}

function pick(from: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]])))
}

function count(packages: number): string {
  return packages === 1 ? '1 package' : `${packages} packages`
}
