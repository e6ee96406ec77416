import { type EndingParts, endEntry } from './ending.ts'
import { listEntries } from './records.ts'

/** The front door was kept by PM2 once, under a name that no instance can have. */
const formerPrefix = 'nodepilot:'
const defaultGraceMs = 5_000

/**
 * Asks what an earlier NodePilot kept in this PM2 beside the instances to end, for good: nothing may hold the front
 * door's address and socket that is not ours any more. Resolves when it was told to; `ended` when it has finished its
 * requests. Null where there is nothing of the kind.
 */
export async function endFormerServices(
  parts: EndingParts,
): Promise<{ readonly ended: Promise<unknown> } | null> {
  const found = (await listEntries(parts.connection)).filter(({ name }) => name.startsWith(formerPrefix))
  if (found.length === 0) return null
  const ended = Promise.all(
    found.map((entry) => endEntry(parts, entry, entry.kept?.graceMs ?? defaultGraceMs)),
  )
  ended.catch(() => {})
  return { ended }
}
