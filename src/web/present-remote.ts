import type { Delivery, Remote } from '../engine/domain/remote.ts'
import type { ProjectRow } from '../engine/store/projects.ts'
import { paths } from './paths.ts'
import type { Services } from './services.ts'

/** The public shapes of remotes (`api/shapes-remote.ts`). */

export function presentRemote({ addresses }: Services, project: ProjectRow, remote: Remote) {
  const { url, branch, username, publicKey, knownHosts, updatedAt } = remote
  return {
    url,
    branch: branch ?? project.deployBranch ?? 'main',
    username,
    hasToken: username !== null,
    publicKey,
    knownHosts: knownHosts.split('\n').filter((line) => line.trim() !== ''),
    webhookUrl: addresses.panel() + paths.api.hook.replace(':project', project.name),
    updatedAt,
  }
}

export function presentDelivery({ engine }: Services, project: ProjectRow, delivery: Delivery) {
  const { deployment } = delivery
  const status = deployment === null ? null : engine.deployments.find(project, deployment).status
  return { ...delivery, status }
}
