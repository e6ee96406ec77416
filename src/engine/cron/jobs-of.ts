import { type NamedCronJob, namedJobs } from '../domain/cron.ts'
import type { Release } from '../domain/release.ts'
import type { ProjectRow } from '../store/projects.ts'
import type { Store } from '../store/store.ts'

/**
 * The scheduled jobs of a project now: those of its settings, in force at once, else those that the app file of its
 * live release names.
 */
export function jobsOf(project: ProjectRow, release: Pick<Release, 'plan'> | null): readonly NamedCronJob[] {
  return namedJobs(project.settings.cron ?? release?.plan.cron ?? [])
}

/** The release whose files and config vars a job gets; null: nothing is live, so nothing runs. */
export function liveReleaseOf(store: Store, project: ProjectRow): Release | null {
  return store.releases.find(project.id, project.currentRelease ?? -1)
}

/** Jobs run on schedule while the project is not stopped. */
export function followsSchedule(project: ProjectRow): boolean {
  // a preview works on what its project works on: a job must not run twice
  return project.preview === null && project.status !== 'stopped' && project.currentRelease !== null
}
