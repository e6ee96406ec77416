import { Refusal } from '../domain/refusal.ts'
import { RecordTooLong, TruncatedInput } from './byte-reader.ts'
import { displayName } from './display-name.ts'

export type ArchiveFormat = 'ZIP' | 'tar archive'

/** The refusal `rejected_tree` for an archive that cannot be what its sender meant. */
export function damaged(format: ArchiveFormat, why: string, cause?: unknown): Refusal {
  return new Refusal('rejected_tree', `the ${format} is damaged: ${why}`, {
    hint: 'make the archive again and upload it once more',
    cause,
  })
}

/** What a parser threw, as a refusal where the archive is to blame; other faults stay as they are. */
export function blameArchive(format: ArchiveFormat, error: unknown): unknown {
  if (error instanceof TruncatedInput) return damaged(format, 'it ends too early', error)
  if (error instanceof RecordTooLong) return damaged(format, 'a record in it is too long', error)
  if (!(error instanceof Error) || error instanceof Refusal || error.name === 'AbortError') return error
  const code = (error as NodeJS.ErrnoException).code
  const fromParser = code === undefined || code.startsWith('Z_') || code === 'ERR_BUFFER_TOO_LARGE'
  return fromParser ? damaged(format, displayName(error.message), error) : error
}
