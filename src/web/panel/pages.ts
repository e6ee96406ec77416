import type { Hono } from 'hono'
import type { Env, Services } from '../services.ts'
import { domainPages } from './domains.ts'
import { jobPages } from './jobs.ts'
import { metricsPages } from './metrics.ts'
import { projectSettingsPages } from './project-settings.ts'
import { remotePages } from './remote.ts'
import { serverPages } from './server.ts'
import { accountPages } from './settings-account.ts'
import { auditPages } from './settings-audit.ts'
import { tokenPages } from './settings-tokens.ts'
import { userPages } from './settings-users.ts'

/** Metrics, domains and settings of projects, the server, and one's own account. */
export function settingsPages(services: Services): readonly Hono<Env>[] {
  return [
    jobPages,
    remotePages,
    metricsPages,
    domainPages,
    projectSettingsPages,
    serverPages,
    accountPages,
    tokenPages,
    userPages,
    auditPages,
  ].map((pages) => pages(services))
}
