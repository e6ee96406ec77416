import type { ProjectRow } from '../engine/store/projects.ts'
import { presentTraffic, type ShownTraffic } from './present-traffic.ts'
import type { Services } from './services.ts'

/** Traffic of a project's releases, newest first. */
export async function trafficOf({ engine }: Services, project: ProjectRow): Promise<ShownTraffic[]> {
  const counted = await engine.metrics.releases.ofProject(project)
  const liveSince = engine.metrics.liveSince(project)
  return counted.map((one) => presentTraffic(one, project.currentRelease, liveSince.get(one.release) ?? null))
}
