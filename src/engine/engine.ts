import { createBackground } from './background.ts'
import type { Context } from './context.ts'
import { theServer } from './domain/audit.ts'
import type { Deployment } from './domain/deployment.ts'
import { Refusal } from './domain/refusal.ts'
import { createHousekeeping } from './housekeeping/housekeeping.ts'
import { createOrder } from './in-order.ts'
import { rememberExits } from './last-exits.ts'
import { createMemoryGuard } from './memory-guard.ts'
import { createMetrics } from './metrics/metrics.ts'
import { watchRuntime } from './metrics/watched-runtime.ts'
import { createBuildGate } from './pipeline/build-gate.ts'
import { createDeploymentLogs } from './pipeline/log.ts'
import { createTurns } from './pipeline/queue.ts'
import { mendProcesses, reconcile } from './reconcile.ts'
import { createRoutes } from './routes.ts'
import { createSecrets } from './secrets.ts'
import type { ProjectRow } from './store/projects.ts'
import { createAccessCases } from './use-cases/access.ts'
import { createAppLogCases } from './use-cases/app-logs.ts'
import { createAudit, createAuditCases } from './use-cases/audit.ts'
import { createBackupCases } from './use-cases/backups.ts'
import { createChangesCases } from './use-cases/changes.ts'
import { createConfigVarCases } from './use-cases/config-vars.ts'
import { createCronCases } from './use-cases/cron.ts'
import { createDeploymentCases } from './use-cases/deployments.ts'
import { createDiskCases } from './use-cases/disk.ts'
import { createDomainCases } from './use-cases/domains.ts'
import { createFetchCase } from './use-cases/fetching.ts'
import { createIdleWatch } from './use-cases/idle-watch.ts'
import { createKeyCases } from './use-cases/keys.ts'
import { createMemberCases } from './use-cases/members.ts'
import { createPreviewCases } from './use-cases/previews.ts'
import { createProcessCases } from './use-cases/processes.ts'
import { createProjectCases } from './use-cases/projects.ts'
import { rebuildRestored } from './use-cases/rebuild.ts'
import { createReleaseCases } from './use-cases/releases.ts'
import { createRemoteCases } from './use-cases/remotes.ts'
import { createRunCase } from './use-cases/run.ts'
import { createSystemCases } from './use-cases/system.ts'
import { createWakes } from './use-cases/wake.ts'
import { createReleaseWatch } from './use-cases/watch-release.ts'
import { createWebhookCases } from './use-cases/webhook.ts'

export type Engine = ReturnType<typeof createEngine>

export type EngineDeps = Omit<
  Context,
  | 'audit'
  | 'routes'
  | 'turns'
  | 'builds'
  | 'inOrder'
  | 'handovers'
  | 'lastExits'
  | 'closing'
  | 'attempts'
  | 'runs'
  | 'logs'
  | 'onLive'
  | 'secrets'
  | 'background'
  | 'watch'
>

/** The one way in: what NodePilot can do, without the doors (git, HTTP) that people come through. */
export function createEngine(deps: EngineDeps) {
  const closing = new AbortController()
  const watch = watchRuntime(deps.runtime, deps)
  const secrets = createSecrets(deps)
  const ctx: Context = {
    ...deps,
    runtime: watch.runtime,
    watch,
    audit: createAudit(deps),
    closing: closing.signal,
    routes: createRoutes({
      store: deps.store,
      router: deps.router,
      paths: deps.paths,
      baseDomain: deps.addresses.baseDomain,
    }),
    turns: createTurns(),
    builds: createBuildGate(deps.limits.builds),
    inOrder: createOrder(),
    handovers: new Map(),
    lastExits: rememberExits(deps.runtime, { clock: deps.clock, appLog: secrets.appLog }),
    attempts: new Map(),
    runs: new Set(),
    onLive: new Set(),
    logs: createDeploymentLogs(),
    secrets,
    background: createBackground(deps.report),
  }
  const deployments = createDeploymentCases(ctx)
  const metrics = createMetrics(ctx)
  const releaseWatch = createReleaseWatch(ctx, metrics.releases)
  ctx.onLive.add(releaseWatch.begin)
  const memory = createMemoryGuard(ctx)
  const projects = createProjectCases(ctx)
  const previews = createPreviewCases(ctx, projects)
  const processes = createProcessCases(ctx)
  const backups = createBackupCases(ctx)
  const housekeeping = createHousekeeping(ctx)
  const cron = createCronCases(ctx)
  const fetch = createFetchCase(ctx)
  const webhook = createWebhookCases(ctx, fetch)
  const idle = createIdleWatch(ctx)
  const wakes = createWakes(ctx)

  return {
    access: createAccessCases(ctx),
    audit: { ...createAuditCases(ctx), write: ctx.audit },
    members: createMemberCases(ctx),
    projects,
    previews,
    metrics,
    memory,
    system: createSystemCases(ctx, metrics),
    deployments,
    logs: createAppLogCases(ctx),
    releases: createReleaseCases(ctx),
    keys: createKeyCases(ctx),
    configVars: createConfigVarCases(ctx, () => rebuildRestored(ctx, { deployments, processes })),
    processes,
    run: createRunCase(ctx),
    cron,
    idle,
    remotes: createRemoteCases(ctx),
    /** Deploys the tip of the remote's branch. */
    fetch,
    webhook,
    backups,
    disk: createDiskCases(ctx, housekeeping),
    domains: createDomainCases(ctx),
    changes: createChangesCases(ctx),

    /**
     * Makes the world equal to the database. A commit whose ref git had already moved when the server died is
     * deployed now: the person who pushed it was told that it was accepted. What a webhook had asked for is fetched.
     */
    async reconcile(): Promise<void> {
      const lost: Deployment[] = []
      const again = new Map<number, Promise<unknown>>()
      for (const interrupted of await reconcile(ctx)) {
        const { projectId, source } = interrupted
        const project = ctx.store.projects.find(projectId)
        if (!project || source.kind !== 'git') continue
        if (!(await isTip(ctx, project, source.revision))) {
          lost.push(interrupted)
          continue
        }
        const by = { who: theServer, message: source.message }
        const deployed = deployments.deployRef(project, source.revision, by)
        const what = `deploying ${source.revision} of ${project.name} after a restart`
        ctx.background.run(what, async () => void (await deployed))
        again.set(
          projectId,
          deployed.catch(() => {}),
        )
      }
      // what is fetched is newer
      webhook.resume(lost, async (projectId) => void (await again.get(projectId)))
      wakes.listen()
      idle.start()
      releaseWatch.resume()
      rebuildRestored(ctx, { deployments, processes })
      await backups.keepMaking()
      housekeeping.start()
      previews.keepSweeping()
      ctx.background.run('sealing config vars with the new key', async () => void (await ctx.keys.finish()))
    },

    /**
     * Names the state of everything that can be read here, without logs and numbers over time: equal to an
     * earlier one, nothing has changed since.
     */
    async revision(): Promise<string> {
      await watch.look()
      return `${deps.store.revision()} ${watch.revision()}`
    },

    /** The runtime was lost: everything that should run is started again, once. */
    mend: () => mendProcesses(ctx),

    /** Puts the table into force again, after the front door was started anew. */
    applyRoutes: () => ctx.routes.apply(),

    /** Cancels what is under way and waits for what cannot be cancelled. Projects go on running. */
    async close(): Promise<void> {
      const why = new Refusal('cancelled', 'the server is shutting down', {
        hint: 'push again when it is back',
      })
      closing.abort(why)
      wakes.stop()
      for (const { controller } of ctx.attempts.values()) controller.abort(why)
      await ctx.turns.idle()
      await metrics.stop()
      await cron.stop()
      await memory.stop()
      await Promise.allSettled([...ctx.runs].map(({ ended }) => ended))
      await ctx.background.settled()
    },
  }
}

/** A project that has never been live has no deploy branch yet: its first push went to one of these. */
async function isTip(ctx: Context, project: ProjectRow, revision: string): Promise<boolean> {
  for (const branch of project.deployBranch ? [project.deployBranch] : ['main', 'master']) {
    if ((await ctx.repositories.branchTip(project.repository, branch)) === revision) return true
  }
  return false
}
