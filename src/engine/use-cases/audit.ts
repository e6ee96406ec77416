import type { Report } from '../context.ts'
import type { Audit } from '../domain/audit.ts'
import type { AuditQuery, AuditRow } from '../store/audit.ts'
import type { Store } from '../store/store.ts'

const day = 86_400_000
const keepMs = 400 * day
const keepRows = 100_000
/** Pruning now and then is enough. */
const pruneEvery = 500

/** The writer of the audit log, kept to a hundred thousand entries and a good year. */
export function createAudit(deps: { store: Store; clock: () => number; report: Report }): Audit {
  const { store, clock, report } = deps
  return (event) => {
    try {
      const id = store.audit.add(event)
      if (id % pruneEvery === 0) store.audit.prune(id - keepRows, new Date(clock() - keepMs).toISOString())
    } catch (error) {
      report.error(`the audit log could not take ${event.action} by ${event.who.name}`, error)
    }
  }
}

export function createAuditCases({ store }: { readonly store: Store }) {
  return {
    /** Newest first. */
    list: (query: AuditQuery): AuditRow[] => store.audit.list(query),
  }
}
