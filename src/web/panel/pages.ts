import type { Hono } from 'hono'
import type { Env, Services } from '../services.ts'
import { serverPages } from './server.ts'
import { accountPages } from './settings-account.ts'
import { auditPages } from './settings-audit.ts'
import { tokenPages } from './settings-tokens.ts'
import { userPages } from './settings-users.ts'

/** The pages of server, account and settings; those of projects are mounted beside them. */
export function settingsPages(services: Services): readonly Hono<Env>[] {
  return [serverPages, accountPages, tokenPages, userPages, auditPages].map((pages) => pages(services))
}
