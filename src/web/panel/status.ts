import type { DeploymentStatus, Step } from '../../engine/domain/deployment.ts'
import type { ProjectView } from '../../engine/use-cases/project-view.ts'

/** A state in a word, with the sign and the tone that say the same, and where it is explained. */
export interface StatusView {
  readonly word: string
  readonly tone: 'ok' | 'bad' | 'warn' | 'info' | 'muted'
  readonly icon: string
  readonly spin: boolean
  readonly href: string
  /** Visitors do not come in, however it is. */
  readonly maintenance?: true
}

/** What is known of a deployment without its steps. */
export interface DeploymentGist {
  readonly number: number
  readonly status: DeploymentStatus
  readonly startedAt: string
}

/** How a project is, and the page that explains it: the deploy or the log. */
export function projectStatus(view: ProjectView, newest: DeploymentGist | null): StatusView {
  const state = stateOf(view, newest)
  return view.project.settings.maintenance ? { ...state, maintenance: true } : state
}

function stateOf(view: ProjectView, newest: DeploymentGist | null): StatusView {
  const { project, instances } = view
  const here = `/projects/${project.name}`
  const logs = `${here}/logs`
  const deploy = newest ? `${here}/deploys/${newest.number}` : here
  if (newest && isUnfinished(newest.status)) return say('Deploying', 'info', 'loader-circle', deploy, true)
  const failed = newest?.status === 'failed'
  if (project.currentRelease === null) {
    return failed
      ? say('First deploy failed', 'bad', 'circle-x', deploy)
      : say('Waiting for a push', 'muted', 'circle-dashed', here)
  }
  if (project.status === 'stopped') return say('Stopped', 'muted', 'circle-pause', here)
  if (project.wakeProblem !== null) return say('Does not wake', 'bad', 'circle-x', here)
  if (project.asleepAt !== null) {
    return failed
      ? say('Last deploy failed', 'bad', 'circle-x', deploy)
      : say('Sleeping', 'muted', 'moon', here)
  }
  if (instances.some(({ status }) => status === 'errored')) return say('Down', 'bad', 'circle-x', logs)
  if (instances.some(({ status }) => status === 'restarting')) {
    return say('Crash loop', 'warn', 'circle-alert', logs)
  }
  if (project.status === 'error' || instances.some(({ status }) => status !== 'online')) {
    return say('Not running', 'bad', 'circle-alert', logs)
  }
  if (failed) return say('Last deploy failed', 'bad', 'circle-x', deploy)
  return say('Running', 'ok', 'circle-check', logs)
}

/** How a deployment ended, or that it has not. `kept`: its release can be rolled back to. */
export function deploymentStatus(
  deployment: DeploymentGist & { readonly steps: readonly Step[] },
  href: string,
  kept: boolean,
): StatusView {
  switch (deployment.status) {
    case 'queued':
      return say('Waiting for its turn', 'info', 'clock', href)
    case 'running':
      return say('Running', 'info', 'loader-circle', href, true)
    case 'live':
      return say('Live', 'ok', 'circle-check', href)
    case 'failed':
      return say(failedIn(deployment.steps), 'bad', 'circle-x', href)
    case 'cancelled':
      return say('Cancelled', 'muted', 'circle-slash', href)
    case 'superseded':
      return say('Superseded', 'muted', 'circle-slash', href)
    case 'retired':
      return kept ? say('Kept', 'muted', 'history', href) : say('Replaced', 'muted', 'history', href)
  }
}

export function isUnfinished(status: DeploymentStatus): boolean {
  return status === 'queued' || status === 'running'
}

function failedIn(steps: readonly Step[]): string {
  const step = steps.find(({ status }) => status === 'failed')
  return step ? `Failed: ${step.name.toLowerCase()}` : 'Failed'
}

function say(word: string, tone: StatusView['tone'], icon: string, href: string, spin = false): StatusView {
  return { word, tone, icon, spin, href }
}
