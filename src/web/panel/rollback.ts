import { Hono } from 'hono'
import { z } from 'zod'
import { comparableVars } from '../../engine/domain/config-vars.ts'
import { Refusal } from '../../engine/domain/refusal.ts'
import type { Release } from '../../engine/domain/release.ts'
import type { ProjectRow } from '../../engine/store/projects.ts'
import { parse } from '../input.ts'
import { paths } from '../paths.ts'
import { page } from '../render.ts'
import type { Env, Services } from '../services.ts'
import { requireSession } from '../session.ts'
import { readForm, submit } from './form.ts'
import { go } from './go.ts'
import { showOverview } from './overview.ts'
import { begin } from './project-actions.ts'
import { projectFrame, projectOfPage } from './project-frame.ts'

const releaseNumber = z.coerce.number().int().positive()

/** Asks once whether to go back, and shows which config vars would come back with it. */
export function rollbackPages(services: Services): Hono<Env> {
  const { engine } = services
  const pages = new Hono<Env>()
  const signedIn = requireSession(services)

  pages.get(paths.panel.rollback, signedIn, async (c) => {
    const project = projectOfPage(services, c, 'project.deploy')
    const release = releaseOf(services, project, c.req.param('release'))
    return page(c, 'projects/rollback', {
      ...(await projectFrame(services, c, project, 'deploys')),
      title: `Roll ${project.displayName} back to v${release.number}?`,
      release,
      differences: differences(comparableVars(project), comparableVars(release)),
    })
  })

  pages.post(paths.panel.rollback, signedIn, (c) => {
    const project = projectOfPage(services, c, 'project.deploy')
    return submit(
      async () => {
        const { number } = releaseOf(services, project, c.req.param('release'))
        const restoreEnv = (await readForm(c)).restoreEnv === 'yes'
        const target = { release: number, restoreEnv }
        return go(c, await begin(services, c, project, (by) => engine.releases.rollback(project, target, by)))
      },
      (problem) => showOverview(services, c, project, problem),
    )
  })
  return pages
}

function releaseOf({ engine }: Services, project: ProjectRow, text: string | undefined): Release {
  const number = parse(releaseNumber, text)
  const release = engine.releases.find(project, number)
  if (!release) throw new Refusal('not_found', `${project.name} has no release v${number}`)
  return release
}

export interface Difference {
  readonly name: string
  readonly how: 'added' | 'removed' | 'changed'
}

/** From one set of config vars to another: names alone, never a value. */
export function differences(
  from: Readonly<Record<string, string>>,
  to: Readonly<Record<string, string>>,
): Difference[] {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort()
  return names.flatMap((name): Difference[] => {
    if (!Object.hasOwn(from, name)) return [{ name, how: 'added' }]
    if (!Object.hasOwn(to, name)) return [{ name, how: 'removed' }]
    return from[name] === to[name] ? [] : [{ name, how: 'changed' }]
  })
}
