import { createAccounts } from './accounts.ts'
import { createAuditStore } from './audit.ts'
import { createChanges } from './changes.ts'
import { createCronRuns } from './cron-runs.ts'
import type { Db } from './database.ts'
import { createDeployments } from './deployments.ts'
import { createDevices } from './devices.ts'
import { createDomains } from './domains.ts'
import { createHookDeliveries } from './hook-deliveries.ts'
import { createInstances } from './instances.ts'
import { keyRing } from './key-ring.ts'
import { createMembers } from './members.ts'
import { createMetricRows } from './metrics.ts'
import { createProjects } from './projects.ts'
import { createReleaseTrafficRows } from './release-traffic.ts'
import { createReleases } from './releases.ts'
import { createRemotes } from './remotes.ts'
import { createSessions } from './sessions.ts'
import { createSettings } from './settings.ts'
import { createVault, type Vault } from './vault.ts'

export type Store = ReturnType<typeof createStore>

/**
 * All tables. `clock` gives milliseconds since 1970; every time is stored as ISO 8601 in UTC. Without a vault, config
 * vars can be named and neither read nor stored.
 */
export function createStore(db: Db, clock: () => number, vault: Vault = createVault(keyRing([]))) {
  const now = () => new Date(clock()).toISOString()
  const changes = db.prepare('SELECT total_changes()').pluck()
  const otherChanges = db.prepare('PRAGMA data_version').pluck()
  return {
    projects: createProjects(db, now, vault),
    deployments: createDeployments(db, now),
    changes: createChanges(db),
    cronRuns: createCronRuns(db, now),
    remotes: createRemotes(db, now, vault),
    hookDeliveries: createHookDeliveries(db, now),
    domains: createDomains(db, now),
    devices: createDevices(db, now),
    releases: createReleases(db, now, vault),
    instances: createInstances(db, now),
    accounts: createAccounts(db, now),
    audit: createAuditStore(db, now),
    members: createMembers(db, now),
    sessions: createSessions(db, now),
    settings: createSettings(db),
    metrics: createMetricRows(db),
    releaseTraffic: createReleaseTrafficRows(db),
    /** Another text whenever something was written, by us or by another process. */
    revision(): string {
      return `${changes.get()} ${otherChanges.get()}`
    },
    /** Runs `work` in one transaction that takes the write lock at once. */
    transaction<T>(work: () => T): T {
      return db.transaction(work).immediate()
    },
  }
}
