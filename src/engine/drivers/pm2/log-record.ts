import { z } from 'zod'
import { type InstanceRef, parseInstanceName } from './names.ts'

/** One line of an instance's log file: what one write of the app held, which may be several lines or half a one. */
export interface LogRecord extends InstanceRef {
  /** ISO 8601, UTC. */
  readonly time: string
  readonly stream: 'out' | 'err'
  readonly text: string
}

const recordSchema = z.object({
  message: z.string(),
  timestamp: z.string(),
  type: z.enum(['out', 'err']),
  app_name: z.string(),
})

/** Null for lines that are none: cut off by a full disk. */
export function parseLogRecord(line: string): LogRecord | null {
  const found = recordSchema.safeParse(parsed(line))
  const ref = found.success ? parseInstanceName(found.data.app_name) : null
  if (!found.success || !ref) return null
  return { ...ref, time: found.data.timestamp, stream: found.data.type, text: found.data.message }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}
