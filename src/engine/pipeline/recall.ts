import type { Context } from '../context.ts'
import type { Release } from '../domain/release.ts'
import { inForce } from '../domain/release-plan.ts'
import { type Candidate, proveSlug, type Work } from './deploy.ts'
import { discardCandidate, type Group } from './discard.ts'
import { waitForHealth } from './health.ts'
import { linkRelease } from './slug.ts'

/** A process that has served until a moment ago answers at once, ms. */
const patienceMs = 5_000

/**
 * As `proveSlug`, with the processes of the release before that were kept running and the config vars they run
 * with: nothing has to be started. Where they are gone, or do not answer, new ones are.
 */
export async function proveKept(ctx: Context, work: Work, base: Release): Promise<Candidate> {
  const web = await recall(ctx, work)
  if (web === null) return proveSlug(ctx, work, base, base)
  const { project, release, deployment, journal } = work
  const { slug, source, command, workers, envVars, envScopes, plan } = base
  work.veil.hide(envVars)
  journal.skip(['Receive', 'Install', 'Build'], `files of v${slug}`)
  journal.skip(['Start', 'Health'], `processes of v${base.number}, which were kept running`)
  try {
    await linkRelease(ctx.paths.releases(project.name), release, slug)
  } catch (error) {
    await discardCandidate(ctx, project.id, web)
    throw error
  }
  return {
    web,
    workersIn: ctx.store.settings.next('generation'),
    release: {
      projectId: project.id,
      number: release,
      deployment: deployment.number,
      slug,
      source,
      command,
      workers,
      envVars,
      envScopes,
      plan,
    },
  }
}

/** The kept processes, healthy, as candidates; null where they cannot serve. In order with whoever ends them. */
function recall(ctx: Context, { project, signal }: Work): Promise<Group | null> {
  return ctx.inOrder(`web of ${project.id}`, async () => {
    const rows = ctx.store.instances.ofProject(project.id, 'retiring').filter(({ keptUntil }) => keptUntil)
    const [first] = rows
    if (!first || rows.some(({ generation }) => generation !== first.generation)) return null
    const { type, release, generation } = first
    ctx.store.instances.recall(project.id, generation)
    const group = {
      ref: { project: project.name, type, release, generation },
      positions: rows.map(({ position }) => position),
    }
    const path = inForce(project, ctx.store.releases.how(project.id, release).plan).healthPath
    const answers = await Promise.all(
      // workers of a cluster share the port of the first one
      rows.flatMap(({ port }) => (port === null ? [] : [waitForHealth({ port, path }, patienceMs, signal)])),
    ).catch(() => [])
    if (answers.length > 0 && answers.every(({ healthy }) => healthy)) return group
    await discardCandidate(ctx, project.id, group)
    return null
  })
}
