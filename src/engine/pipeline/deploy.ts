import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { Context } from '../context.ts'
import { type StoredVars, type Vars, varsAtBuild, varsAtRun } from '../domain/config-vars.ts'
import type { Deployment } from '../domain/deployment.ts'
import { webCount } from '../domain/process.ts'
import { awake } from '../domain/project.ts'
import { Refusal } from '../domain/refusal.ts'
import type { NewRelease, Release } from '../domain/release.ts'
import { requireRoom } from '../housekeeping/room.ts'
import type { Source } from '../ports.ts'
import type { Veil } from '../secrets.ts'
import type { ProjectRow } from '../store/projects.ts'
import { type AppConfig, whoSaid } from './app-config.ts'
import { build } from './build.ts'
import { type BuildPlace, inBuildPlace } from './build-place.ts'
import { discardCandidate, discardFiles, type Group } from './discard.ts'
import { beginFirstMinute } from './first-minute.ts'
import { bootInPlace, endHandover, takeBack } from './handover.ts'
import type { Journal } from './journal.ts'
import { size } from './output.ts'
import { planOf } from './plan-release.ts'
import { limitsOf } from './project-limits.ts'
import { type App, readApp } from './read-app.ts'
import { runReleasePhase } from './release-phase.ts'
import { requireVars } from './required-vars.ts'
import { linkRelease } from './slug.ts'
import { builds, findWeb, type WebPart } from './start-command.ts'
import { switchRoutes } from './switch-routes.ts'
import type { Tools } from './toolchain/toolchains.ts'
import { unpack } from './unpack.ts'
import { placeWorkers } from './workers.ts'

/**
 * The story of a deployment: receive → install → build → release phase → start → health, then go live.
 * Everything up to `goLive` happens beside the running version and can be undone without a trace.
 */

/** One deployment under way; its project's turn is held until it has ended. */
export interface Work {
  readonly project: ProjectRow
  readonly deployment: Pick<Deployment, 'id' | 'number' | 'source'>
  /** The number the release will have. */
  readonly release: number
  readonly journal: Journal
  /** What stands behind it is in no line of the log. */
  readonly veil: Veil
  readonly signal: AbortSignal
  /** Says what it waits for. */
  readonly waiting: { for(what: string): void; over(): void }
  /** Its place among the builds that wait. */
  readonly ticket: () => number
  /** Marks every process of its installs and builds, so that none survives it. */
  readonly job: string
  /** When its turn began, of the monotonic clock, ms. */
  readonly began: number
  /** Install anew even where a kept node_modules would do. */
  readonly noCache: boolean
  /** It brings back the release before one that proved worse, and is not guarded itself. */
  readonly switchesBack: boolean
  /** Resolves when nobody else starts processes of the project beside this, and nobody will. */
  readonly alone: () => Promise<void>
}

/** The config vars of a release, whole. */
export type VarSet = Pick<StoredVars, 'envVars' | 'envScopes'>

/** A release that runs, is healthy and takes no traffic yet. */
export interface Candidate {
  readonly release: NewRelease
  /** Its web processes. */
  readonly web: Group
  /** The generation of its workers, where web's had some before. */
  readonly workersIn?: number
}

/** From files to a healthy candidate. A failure leaves nothing behind: no directory, no process, no port. */
export async function proveSource(ctx: Context, work: Work, source: Source): Promise<Candidate> {
  // built where it will run: builds write absolute paths
  const slug = ctx.paths.release(work.project.name, work.release)
  try {
    await rm(slug, { recursive: true, force: true })
    await requireRoom(ctx, ctx.store.releases.lastBytes(work.project.id), 'the release')
    await receive(ctx, work, source, slug)
    const app = await understand(work, slug)
    const { files, origin } = await inBuildPlace(ctx, work, (place) => make(ctx, work, slug, app, place))
    await releasePhase(ctx, work, app.config.release, files)
    return await bootRelease(ctx, work, files, origin)
  } catch (error) {
    await discardFiles(ctx, work.project, work.release)
    throw error
  }
}

/** From unpacked files to what can be started: install, build. */
async function make(
  ctx: Context,
  work: Work,
  slug: string,
  app: App,
  place: BuildPlace,
): Promise<{ readonly files: Files; readonly origin: string }> {
  // what a build makes may be what is started; without one, it is known at once that nothing can be
  const known = builds(app) ? null : await findWeb(slug, app)
  const tools = await install(ctx, work, slug, app, place)
  await runBuild(ctx, work, app, tools, place)
  const web = known ?? (await findWeb(slug, app))
  return { files: filesOf(work, app, web, tools), origin: web.origin }
}

/**
 * From a slug that exists (rollback, new config vars) to a healthy candidate: it begins at the boot. The release
 * phase has run for these files already; an old one must not run over a newer database.
 */
export async function proveSlug(ctx: Context, work: Work, base: Release, vars: VarSet): Promise<Candidate> {
  work.veil.hide(vars.envVars)
  requireVars(base.plan.env, vars.envVars)
  work.journal.skip(['Receive', 'Install', 'Build'], `files of v${base.slug}`)
  await linkRelease(ctx.paths.releases(work.project.name), work.release, base.slug)
  try {
    await ctx.failpoint('slug.linked')
    const { slug, source, command, workers, plan } = base
    const { envVars, envScopes } = vars
    const files = { slug, source, command, workers, plan, envVars, envScopes }
    return await bootRelease(ctx, work, files, `v${base.slug}: ${base.command}`)
  } catch (error) {
    await discardFiles(ctx, work.project, work.release)
    throw error
  }
}

/** Undoes a candidate that will not go live. Never throws. */
export async function abandon(ctx: Context, work: Work, candidate: Candidate): Promise<void> {
  await discardCandidate(ctx, work.project.id, candidate.web)
  await takeBack(ctx, work.project)
  await discardFiles(ctx, work.project, work.release)
}

/**
 * The commit point is one transaction; then the front door switches. From here on nothing is undone: if the
 * server dies in the middle, the next start finds the new release in the database and makes it so.
 * Resolves to whether the front door took the routes: while it has not, the old processes are still needed.
 */
export async function goLive(
  ctx: Context,
  work: Work,
  candidate: Candidate,
  alongside: () => void = () => {},
): Promise<boolean> {
  const { project, deployment } = work
  const { release, web, workersIn } = candidate
  await ctx.failpoint('live.committing')
  ctx.store.transaction(() => {
    ctx.store.releases.create(release)
    beginFirstMinute(ctx, work, web.ref.generation)
    ctx.store.instances.promote(project.id, web.ref.generation)
    placeWorkers(ctx, project, release, workersIn ?? web.ref.generation)
    ctx.store.projects.update(project.id, { currentRelease: work.release, status: 'running', ...awake })
    ctx.store.deployments.retireLive(project.id)
    ctx.store.deployments.finish(deployment.id, { status: 'live', release: work.release })
    alongside()
  })
  const switched = await switchRoutes(ctx)
  await endHandover(ctx, project, switched)
  return switched
}

async function receive(ctx: Context, work: Work, source: Source, directory: string): Promise<void> {
  await work.journal.step('Receive', async (step) => {
    const unwrapSingleFolder = source.kind !== 'git'
    const { treeBytes: maxBytes, treeEntries: maxEntries } = ctx.limits
    const limits = { maxBytes, maxEntries, maxDepth: 64 }
    const result = await unpack(source, directory, limits, work.signal, { unwrapSingleFolder })
    if (result.files === 0)
      throw new Refusal('no_package', 'there are no files', { hint: 'commit some, then push again' })
    for (const name of result.dropped) step.say(`${name} was left out`)
    step.note(`${result.files} files, ${size(result.bytes)}`)
    await ctx.failpoint('deploy.unpacked')
  })
}

/** What the app says about itself, together with the project's settings; says in the log who said what. */
async function understand(work: Work, slug: string): Promise<App> {
  const app = await readApp(slug, work.project)
  for (const said of app.config.said) work.journal.say(whoSaid(said))
  requireVars(app.config.env, work.project.envVars)
  return app
}

async function install(ctx: Context, work: Work, slug: string, app: App, place: BuildPlace): Promise<Tools> {
  return work.journal.step('Install', async (step) => {
    const { say } = step
    const folders = [path.join(slug, app.rootDir), slug]
    const top = { folder: app.installIn, packageJson: app.installed }
    const asking = { folders, packageJson: app.packageJson, node: app.config.node, top }
    const tools = await ctx.toolchains.choose(asking, { signal: work.signal, say, job: work.job })
    const { note } = await ctx.dependencies.install({
      slug: app.installIn,
      packageJson: app.installed,
      tools,
      say,
      signal: work.signal,
      noCache: work.noCache,
      privateCopy: work.project.privateModules,
      configVars: buildVarsOf(work.project),
      limits: limitsOf(ctx, work.project),
      job: work.job,
      enter: () => step.beside(place.enter),
      home: ctx.paths.buildHome(work.project.name),
    })
    step.note(note)
    await ctx.failpoint('deploy.installed')
    return tools
  })
}

async function runBuild(ctx: Context, work: Work, app: App, tools: Tools, place: BuildPlace): Promise<void> {
  await work.journal.step('Build', async (step) => {
    const { note } = await build({
      slug: app.installIn,
      folder: app.below,
      packageJson: app.packageJson,
      command: app.config.build,
      tools,
      say: step.say,
      note: step.note,
      signal: work.signal,
      configVars: buildVarsOf(work.project),
      limits: limitsOf(ctx, work.project),
      job: work.job,
      enter: () => step.beside(place.enter),
      home: ctx.paths.buildHome(work.project.name),
      dependencies: ctx.dependencies,
    })
    step.note(note)
    await ctx.failpoint('deploy.built')
  })
}

async function releasePhase(
  ctx: Context,
  work: Work,
  phase: AppConfig['release'],
  files: Files,
): Promise<void> {
  const { project, release, signal, job } = work
  if (phase === null) return
  await work.journal.step('Release', async (step) => {
    step.note(phase.command)
    const directory = ctx.paths.release(project.name, files.slug)
    const { plan } = files
    const where = { project: project.name, release, directory, envVars: varsAtRun(files), plan }
    await runReleasePhase(ctx, where, phase, { signal, job, limits: limitsOf(ctx, project), step })
    await ctx.failpoint('deploy.released')
  })
}

function buildVarsOf(project: ProjectRow): Vars {
  const { preview } = project
  return { ...varsAtBuild(project), ...(preview ? { NODEPILOT_PREVIEW: preview.branch } : {}) }
}

/** What a release consists of, beside its number. */
type Files = Pick<Release, 'slug' | 'source' | 'command' | 'workers' | 'plan'> & VarSet

function filesOf({ project, release, deployment }: Work, app: App, web: WebPart, tools: Tools): Files {
  const { workers } = app.config
  const { envVars, envScopes } = project
  const plan = { ...planOf(app, web, tools), preview: project.preview?.branch ?? null }
  const { command } = web
  return { slug: release, source: deployment.source, command, workers, envVars, envScopes, plan }
}

async function bootRelease(ctx: Context, work: Work, files: Files, origin: string): Promise<Candidate> {
  const { project, deployment, release, journal, signal } = work
  const { slug, source, command, workers, envVars, envScopes, plan } = files
  // until here, a request may have woken the version before
  await work.alone()
  const directory = ctx.paths.release(project.name, slug)
  const count = webCount(project.processes, plan)
  const how = { project, release, slug, directory, command, origin, plan, count }
  const web = await bootInPlace(ctx, { ...how, envVars: varsAtRun(files) }, journal, signal)
  const made = { projectId: project.id, number: release, deployment: deployment.number }
  return { web, release: { ...made, slug, source, command, workers, envVars, envScopes, plan } }
}
