import { Hono } from 'hono'
import type { Endpoint } from '../endpoint.ts'
import type { Env, Services } from '../services.ts'
import { allDeploymentsPages } from './all-deployments.ts'
import { deploymentPages } from './deployments.ts'
import { devicePages } from './device.ts'
import { docsPage } from './docs.ts'
import { envPages } from './env.ts'
import { logPages } from './logs.ts'
import { newProjectPages } from './new.ts'
import { outputPages } from './output.ts'
import { overviewPages } from './overview.ts'
import { settingsPages } from './pages.ts'
import { plainPages } from './plain.ts'
import { projectActionPages } from './project-actions.ts'
import { projectsPages } from './projects.ts'
import { rollbackPages } from './rollback.ts'
import { signInPages } from './sign-in.ts'
import { themePages } from './theme.ts'

/** Every page of the panel, chapter by chapter. */
export function panelPages(services: Services, endpoints: readonly Endpoint[]): Hono<Env> {
  const chapters = [
    signInPages,
    devicePages,
    projectsPages,
    newProjectPages,
    overviewPages,
    projectActionPages,
    rollbackPages,
    deploymentPages,
    outputPages,
    allDeploymentsPages,
    envPages,
    logPages,
    plainPages,
    themePages,
  ].map((pages) => pages(services))
  const panel = new Hono<Env>()
  for (const pages of [...chapters, ...settingsPages(services), docsPage(services, endpoints)]) {
    panel.route('/', pages)
  }
  return panel
}
