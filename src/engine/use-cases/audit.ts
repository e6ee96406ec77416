import type { Report } from '../context.ts'
import type { Audit } from '../domain/audit.ts'
import type { AuditQuery, AuditRow } from '../store/audit.ts'
import type { Store } from '../store/store.ts'

/** Between two rounds of housekeeping many entries can come. */
const pruneEvery = 500

/** The writer of the audit log. */
export function createAudit(deps: { store: Store; clock: () => number; report: Report }): Audit {
  const { store, clock, report } = deps
  return (event) => {
    try {
      const id = store.audit.add(event)
      if (id % pruneEvery === 0) store.audit.prune(clock())
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
