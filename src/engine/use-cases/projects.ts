import { mkdir, rm } from 'node:fs/promises'
import type { AppLogLine, LogQuery } from '../app-log/line.ts'
import { readAppLog } from '../app-log.ts'
import type { Context } from '../context.ts'
import { type AuditFacts, difference, type Who } from '../domain/audit.ts'
import { deriveName, projectNamePattern, reservedNames } from '../domain/project.ts'
import { Refusal } from '../domain/refusal.ts'
import type { SettingName, SettingsChange } from '../domain/settings.ts'
import { discard, type Group, groupsOf } from '../pipeline/discard.ts'
import { type MaintenancePage, maintenancePageOf } from '../pipeline/maintenance-page.ts'
import { settle } from '../pipeline/retire.ts'
import { switchRoutes } from '../pipeline/switch-routes.ts'
import { nowOrLater } from '../pipeline/until-it-could.ts'
import type { ProjectChange, ProjectRow } from '../store/projects.ts'
import { fitting } from './config-vars.ts'
import { answersAt } from './domains.ts'
import { type ProjectView, viewAll, viewOne } from './project-view.ts'
import { endRuns } from './run.ts'

export type ProjectCases = ReturnType<typeof createProjectCases>

export interface NewProjectInput {
  readonly name?: string | undefined
  readonly displayName?: string | undefined
  readonly startCommand?: string | undefined
  readonly port?: number | null | undefined
  readonly envVars?: Readonly<Record<string, string>> | undefined
}

/** In force at once. */
const frontDoorSettings = [
  'sticky',
  'accessLog',
  'maintenance',
  'maintenancePage',
  'maintenanceAllow',
] as const satisfies readonly SettingName[]

export function createProjectCases(ctx: Context) {
  const { store, paths } = ctx
  return {
    /** Whoever creates a project owns it. Refuses with `invalid` (name), `conflict` (taken). Nothing runs yet. */
    async create(input: NewProjectInput, who: Who): Promise<ProjectRow> {
      const { name, displayName } = chooseName(input)
      const envVars = fitting(input.envVars ?? {})
      requireFree(ctx, name)
      const project = store.transaction(() => {
        const created = store.projects.create({
          name,
          displayName,
          path: paths.project(name),
          startCommand: input.startCommand ?? '',
          port: input.port ?? null,
          envVars,
        })
        if (who.userId !== null) store.members.put(created.id, who.userId, 'owner')
        return created
      })
      try {
        await ctx.failpoint('create.stored')
        await makeFolders(ctx, name)
      } catch (error) {
        store.projects.remove(project.id)
        await rm(paths.project(name), { recursive: true, force: true })
        throw error
      }
      ctx.audit({ who, action: 'project.create', project, after: { displayName } })
      await switchRoutes(ctx)
      return project
    },

    /** Refuses with `conflict` a name that is taken, or not given up yet. */
    requireFree: (name: string, hint: string): void => requireFree(ctx, name, hint),

    /** By name or number. Refuses with `not_found`. */
    get(id: string | number): ProjectRow {
      const project = store.projects.find(id)
      if (project) return project
      throw new Refusal('not_found', `there is no project ${String(id).slice(0, 60)}`)
    },

    /** Numbers and names of all, by name; for those who need no more. */
    names: () => store.projects.names(),

    find: (id: string | number): ProjectRow | null => store.projects.find(id),

    /** All of them by name, without what runs. */
    rows: (): ProjectRow[] => store.projects.list(),

    /** Is there a project of this kind? Cheaper than a list. */
    some: (is: (project: { readonly id: number }) => boolean): boolean => store.projects.names().some(is),

    /** Is this host name ours: the panel's, or a project's? */
    answersAt: (host: string): boolean => answersAt(ctx, host),

    /** All projects with what runs, by name. */
    list: (): Promise<ProjectView[]> => viewAll(ctx),

    show(project: ProjectRow): Promise<ProjectView> {
      return viewOne(ctx, this.get(project.id))
    },

    /** Settings take effect with the next deployment or restart, those of the front door when this resolves. */
    async change(project: ProjectRow, change: ProjectChange, who: Who): Promise<ProjectRow> {
      store.projects.update(project.id, change)
      auditChange(ctx, project, change, who)
      if (changesFrontDoor(project, change.settings)) await switchRoutes(ctx)
      return this.get(project.id)
    },

    /** A push to this branch goes live from now on. */
    deployFrom(project: ProjectRow, branch: string, who: Who): void {
      store.projects.update(project.id, { deployBranch: branch })
      auditChange(ctx, project, { deployBranch: branch }, who)
    },

    /** What visitors get while it is in maintenance. */
    maintenancePage: (project: ProjectRow): MaintenancePage =>
      maintenancePageOf(paths, project, store.releases.currentOnes().get(project.id)),

    /** The newest lines of the apps, oldest first. */
    appLog: (project: ProjectRow, query: LogQuery): Promise<AppLogLine[]> =>
      readAppLog(ctx.secrets.appLog(project.name), query),

    /** Everything of it ends and is removed: previews, processes, releases, data, repository, logs, history. */
    async remove(project: ProjectRow, who: Who): Promise<void> {
      for (const preview of store.projects.previewsOf(project.id)) await this.remove(preview, who)
      const why = new Refusal('cancelled', 'the project is being deleted', {
        hint: 'push again to make a new one of that name',
      })
      ctx.turns.dismiss(project.id, why)
      for (const deployment of store.deployments.unfinished()) {
        if (deployment.projectId === project.id) ctx.attempts.get(deployment.id)?.controller.abort(why)
      }
      const end = await ctx.turns.take(project.id)
      try {
        const groups = groupsOf(project.name, store.instances.ofProject(project.id))
        store.transaction(() => {
          store.settings.set(deleting(project.name), 'yes')
          store.projects.remove(project.id)
        })
        ctx.audit({ who, action: 'project.remove', project, before: { displayName: project.displayName } })
        await switchRoutes(ctx)
        await clearAway(ctx, project, groups, why)
      } finally {
        end()
      }
    },
  }
}

/**
 * The project is gone for everybody; what it leaves goes now, or behind where that cannot be done at once. Its
 * name is free again afterwards.
 */
async function clearAway(
  ctx: Context,
  project: ProjectRow,
  groups: readonly Group[],
  why: Refusal,
): Promise<void> {
  await nowOrLater(ctx, `removing what ${project.name} has left`, async () => {
    await ctx.failpoint('remove.committed')
    await Promise.all(groups.map((group) => discard(ctx, project.id, group)))
    await endRuns(ctx, project.id, why)
    // a worker may have been on its way
    await settle(ctx, project)
    await finishRemoval(ctx, project.name)
  })
}

/** Where its releases and its data lie. */
export async function makeFolders({ paths }: Pick<Context, 'paths'>, name: string): Promise<void> {
  for (const directory of [paths.releases(name), paths.data(name)]) {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  }
}

/** Removes what a deleted project left on disk; carried on at the next start when the server died meanwhile. */
export async function finishRemoval(ctx: Context, name: string): Promise<void> {
  for (const instance of await ctx.runtime.list(name)) await ctx.runtime.stop(instance, 1_000)
  await ctx.runtime.forget(name)
  await ctx.failpoint('remove.ended')
  for (const directory of [ctx.paths.project(name), ctx.paths.projectLogs(name)]) {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  }
  await ctx.failpoint('remove.cleared')
  await ctx.repositories.remove(name)
  ctx.store.settings.remove(deleting(name))
}

const deletingPrefix = 'deleting:'
const deleting = (name: string) => `${deletingPrefix}${name}`

/** Names of projects whose deletion was interrupted. */
export function interruptedRemovals(ctx: Context): string[] {
  return ctx.store.settings.keys(deletingPrefix).map((key) => key.slice(deletingPrefix.length))
}

/** Whether visitors come in is said on its own: it is looked for. */
function auditChange(ctx: Context, project: ProjectRow, change: ProjectChange, who: Who): void {
  const { envVars: _, envScopes: __, settings = {}, ...columns } = change
  const { maintenance = project.settings.maintenance, ...others } = settings
  const after = { ...columns, ...others }
  if (maintenance !== project.settings.maintenance) {
    ctx.audit({ who, action: `project.maintenance-${maintenance ? 'on' : 'off'}`, project })
    if (Object.keys(after).length === 0) return
  }
  const facts = difference(factsOf(project, Object.keys(after)), after)
  ctx.audit({ who, action: 'project.change', project, ...facts })
}

function changesFrontDoor({ settings: before }: ProjectRow, settings: SettingsChange = {}): boolean {
  return frontDoorSettings.some(
    (name) => settings[name] !== undefined && JSON.stringify(settings[name]) !== JSON.stringify(before[name]),
  )
}

/** Named ones alone: config vars are opened by nobody who does not need them. */
function factsOf(project: ProjectRow, names: readonly string[]): AuditFacts {
  const facts: AuditFacts = { ...project.settings }
  return Object.fromEntries(
    names.map((name) => [name, Object.hasOwn(facts, name) ? facts[name] : project[name as keyof ProjectRow]]),
  )
}

function requireFree({ store }: Context, name: string, hint = 'choose another name'): void {
  if (!store.projects.find(name) && !store.settings.get(deleting(name))) return
  throw new Refusal('conflict', `name: there is a project ${name} already`, { hint })
}

/** A valid name is taken as it is; anything else is kept for people and a name is made from it. */
function chooseName(input: NewProjectInput): { name: string; displayName: string } {
  const asked = (input.name ?? input.displayName ?? '').trim()
  const name = projectNamePattern.test(asked) ? asked : deriveName(asked)
  if (name === null || reservedNames.has(name)) {
    throw new Refusal('invalid', `name: "${asked.slice(0, 60)}" cannot be used`, {
      hint: 'use 2 to 40 of a-z, 0-9 and -, beginning with a letter, not ending with -',
      fields: [
        { field: 'name', message: name === null ? 'no valid name can be made from it' : 'it is reserved' },
      ],
    })
  }
  return { name, displayName: (input.displayName ?? asked).trim() || name }
}
