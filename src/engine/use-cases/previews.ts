import { rm } from 'node:fs/promises'
import type { Context } from '../context.ts'
import { theServer, type Who } from '../domain/audit.ts'
import { inherited, previewName } from '../domain/preview.ts'
import { othersCount } from '../domain/process.ts'
import { Refusal } from '../domain/refusal.ts'
import type { ProjectRow } from '../store/projects.ts'
import { makeFolders, type ProjectCases } from './projects.ts'

export type PreviewCases = ReturnType<typeof createPreviewCases>

/** How often unused ones are looked for, ms. */
const sweepEveryMs = 10 * 60_000
const dayMs = 86_400_000

/** A branch of a project, deployed beside it under a name of its own. */
export interface Preview {
  readonly project: ProjectRow
  readonly branch: string
  readonly usedAt: string
  /** Removed then, unless it is used. */
  readonly expiresAt: string
}

export function createPreviewCases(ctx: Context, projects: ProjectCases) {
  const { store, paths } = ctx
  const requests = new Map<string, number>()

  const expiryOf = (parent: ProjectRow | null, usedAt: string) =>
    new Date(Date.parse(usedAt) + (parent?.settings.previewIdleDays ?? 0) * dayMs).toISOString()

  const create = async (parent: ProjectRow, branch: string, who: Who): Promise<ProjectRow> => {
    const name = previewName(parent.name, branch)
    const { project, made } = store.transaction(() => {
      // another push may have been faster
      const there = cases.ofBranch(parent, branch)
      if (there) return { project: there, made: false }
      const { previewLimit } = projects.get(parent.id).settings
      if (store.projects.previewsOf(parent.id).length >= previewLimit) throw tooMany(parent, previewLimit)
      projects.requireFree(name, `rename the branch: its preview would be called ${name}`)
      return { project: insert(ctx, parent, branch, name), made: true }
    })
    if (!made) return cases.follow(parent, project)
    try {
      await ctx.failpoint('create.stored')
      await makeFolders(ctx, name)
    } catch (error) {
      store.projects.remove(project.id)
      await rm(paths.project(name), { recursive: true, force: true })
      throw error
    }
    ctx.audit({ who, action: 'preview.create', project, after: { of: parent.name, branch } })
    await ctx.routes.apply()
    return project
  }

  const cases = {
    /** Newest use first. */
    list(parent: ProjectRow): Preview[] {
      return store.projects
        .previewsOf(parent.id)
        .flatMap((project) => {
          const { preview } = project
          if (!preview) return []
          const { branch, usedAt } = preview
          return [{ project, branch, usedAt, expiresAt: expiryOf(parent, usedAt) }]
        })
        .sort((a, b) => (a.usedAt < b.usedAt ? 1 : -1))
    },

    /** The one of a branch; null where there is none. */
    ofBranch: (parent: ProjectRow, branch: string): ProjectRow | null =>
      store.projects.previewsOf(parent.id).find(({ preview }) => preview?.branch === branch) ?? null,

    /** The project it belongs to; null for one that is no preview. */
    parentOf: (project: ProjectRow): ProjectRow | null =>
      project.preview && store.projects.find(project.preview.parent),

    /**
     * The preview that a push to this branch deploys: made where there is none, with the parent's config vars of
     * today. Refuses with `conflict` a name that is taken, and one more than `previewLimit`.
     */
    async forPush(parent: ProjectRow, branch: string, who: Who): Promise<ProjectRow> {
      const there = cases.ofBranch(parent, branch)
      return there ? cases.follow(parent, there) : create(parent, branch, who)
    },

    /** The config vars of its project as they are now, but for its own; counts as use. */
    follow(parent: ProjectRow, preview: ProjectRow): ProjectRow {
      const own = preview.preview?.ownVars ?? []
      store.transaction(() => {
        store.projects.update(preview.id, {
          envVars: inherited(parent.envVars, preview.readableVars, own),
          envScopes: inherited(parent.envScopes, preview.envScopes, own),
        })
        store.projects.touchPreview(preview.id)
      })
      return store.projects.find(preview.id) ?? preview
    },

    /** After a branch was deleted. */
    removeBranch(parent: ProjectRow, branch: string, who: Who): void {
      const project = cases.ofBranch(parent, branch)
      if (!project) return
      ctx.background.run(`removing the preview ${project.name}`, () => projects.remove(project, who))
    },

    /** Removes what nobody has pushed to and nobody has asked for since `previewIdleDays`, and what has no parent. */
    async sweep(): Promise<void> {
      await noteRequests(ctx, requests)
      const now = new Date(ctx.clock()).toISOString()
      for (const project of store.projects.allPreviews()) {
        const { preview } = project
        if (!preview || ctx.closing.aborted) continue
        const parent = store.projects.find(preview.parent)
        const idle = parent === null || expiryOf(parent, preview.usedAt) <= now
        if (!idle || store.deployments.isBusy(project.id)) continue
        ctx.report.info(
          `the preview ${project.name} is removed: ${parent ? 'nobody used it' : 'its project is gone'}`,
        )
        await projects.remove(project, theServer)
      }
    },

    keepSweeping(): void {
      const look = () => ctx.background.run('looking for unused previews', cases.sweep)
      const timer = setInterval(look, sweepEveryMs)
      timer.unref()
      ctx.closing.addEventListener('abort', () => clearInterval(timer), { once: true })
      look()
    },
  }
  return cases
}

/** Its row, as the settings of its project say. Only in a transaction that has looked whether there is room. */
function insert({ store, paths }: Context, parent: ProjectRow, branch: string, name: string): ProjectRow {
  const { startCommand, envVars, envScopes, healthPath, bootTimeoutMs, privateModules, settings } = parent
  const { id } = store.projects.create({
    name,
    displayName: `${parent.displayName}: ${branch}`,
    path: paths.project(name),
    startCommand,
    port: null,
    envVars,
    envScopes,
  })
  store.projects.makePreview(id, { parent: parent.id, branch, repository: parent.repository })
  store.projects.update(id, {
    ...{
      deployBranch: branch,
      healthPath,
      bootTimeoutMs,
      privateModules,
      settings: { ...settings, cron: null, maintenance: false },
    },
    memoryLimitMb: settings.previewMemoryMb ?? parent.memoryLimitMb,
    // two sets of workers on one queue is what a preview must not bring about by itself
    processes: settings.previewWorkers ? {} : { [othersCount]: 0 },
    keepReleases: 2,
  })
  return store.projects.find(id) as ProjectRow
}

/** The front door counts from its start on: whose number has grown has been used. */
async function noteRequests(ctx: Context, seen: Map<string, number>): Promise<void> {
  const report = await ctx.router.traffic().catch(() => null)
  if (!report) return
  const totals = new Map<string, number>()
  for (const { project, requests } of report.projects) {
    totals.set(project, (totals.get(project) ?? 0) + requests)
  }
  for (const { id, name } of ctx.store.projects.allPreviews()) {
    const total = totals.get(name) ?? 0
    const before = seen.get(name)
    seen.set(name, total)
    if (before !== undefined && total !== before && total > 0) ctx.store.projects.touchPreview(id)
  }
}

function tooMany(parent: ProjectRow, limit: number): Refusal {
  return new Refusal(
    'conflict',
    `${parent.name} has ${limit} ${limit === 1 ? 'preview' : 'previews'}, which is the most it may have`,
    {
      hint: 'delete a branch that is not needed, or raise previewLimit',
    },
  )
}
