import type { Context } from 'hono'
import type { Action } from '../../engine/domain/access.ts'
import type { Who } from '../../engine/domain/audit.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import type { ProjectView } from '../../engine/use-cases/project-view.ts'
import { projectOf } from '../api/project-of.ts'
import { presentProject } from '../present.ts'
import type { Env, Services } from '../services.ts'
import { doneSentence } from './done.ts'
import { projectStatus } from './status.ts'

export type ProjectTab = 'overview' | 'deploys' | 'logs' | 'jobs' | 'metrics' | 'env' | 'domains' | 'settings'

const tabs: readonly [ProjectTab, string, string][] = [
  ['overview', 'Overview', ''],
  ['deploys', 'Deploys', '/deploys'],
  ['logs', 'Logs', '/logs'],
  ['jobs', 'Jobs', '/jobs'],
  ['metrics', 'Metrics', '/metrics'],
  ['env', 'Environment', '/env'],
  ['domains', 'Domains', '/domains'],
  ['settings', 'Settings', '/settings'],
]

/** The project that a page is about. Refuses with `not_found` or `forbidden`. */
export function projectOfPage(services: Services, c: Context<Env>, action: Action): ProjectRow {
  return projectOf(services, c, action)
}

export function whoOfPage(c: Context<Env>): Who {
  return c.get('who')
}

export type ProjectFrame = Awaited<ReturnType<typeof projectFrame>>

/** What the head of every page of a project shows (`/partials/project-head`), and what the actor may do there. */
export async function projectFrame(
  services: Services,
  c: Context<Env>,
  project: ProjectRow,
  tab: ProjectTab,
) {
  const { engine, addresses } = services
  const view: ProjectView = await engine.projects.show(project)
  const newest = engine.deployments.list(view.project, { limit: 1 })[0] ?? null
  const may = (action: Action) => engine.access.allows(c.get('actor'), action, project)
  const here = `/projects/${project.name}`
  return {
    nav: 'projects' as const,
    view,
    newest,
    project: presentProject(view, addresses),
    status: projectStatus(view, newest),
    tab,
    here,
    tabs: tabs.map(([key, label, path]) => ({ label, href: here + path, current: key === tab })),
    mayDeploy: may('project.deploy'),
    mayOperate: may('project.operate'),
    mayManage: may('project.manage'),
    done: doneSentence(c),
  }
}
