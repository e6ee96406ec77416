import { open, readdir } from 'node:fs/promises'
import path from 'node:path'
import { parseLogRecord } from './drivers/pm2/log-record.ts'
import type { LogLine } from './ports.ts'

/** What the apps wrote. The runtime records one write after the other; lines are put together here by stream. */

export interface LogQuery {
  /** At most this many, the newest. */
  readonly lines: number
  readonly type?: string | undefined
  readonly stream?: 'out' | 'err' | undefined
  /** ISO 8601; only later ones. */
  readonly since?: string | undefined
  /** Only lines that contain this, whatever the case. */
  readonly search?: string | undefined
  /** Only this generation of processes. */
  readonly generation?: number | undefined
}

export interface AppLogLine extends LogLine {
  readonly generation: number
}

/** How far back in one file a query reads, bytes. */
const window = 4_000_000

/** The newest matching lines of all instances, oldest first. */
export async function readAppLog(directory: string, query: LogQuery): Promise<AppLogLine[]> {
  const names = await readdir(directory).catch(() => [] as string[])
  const files = names.filter(
    (name) => logFile.test(name) && (!query.type || name.startsWith(`${query.type}.`)),
  )
  const all: AppLogLine[] = []
  for (const name of files) {
    const instance = name.slice(0, -'.log'.length)
    for (const line of parseAppLog(await readTail(path.join(directory, name)), instance)) {
      if (matches(line, query)) all.push(line)
    }
  }
  all.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
  return all.slice(-query.lines)
}

/** Puts chunks together to lines. A torn first or last record is left out. */
export function parseAppLog(text: string, instance: string): AppLogLine[] {
  const lines: AppLogLine[] = []
  const open = new Map<string, { text: string; line: Omit<AppLogLine, 'line'> }>()
  for (const record of text.split('\n')) {
    const chunk = parseLogRecord(record)
    if (!chunk) continue
    const key = `${chunk.generation} ${chunk.stream}`
    const pending = open.get(key)
    const parts = ((pending?.text ?? '') + chunk.text).split(/\r?\n/)
    const rest = parts.pop() ?? ''
    const facts = {
      time: chunk.time,
      instance,
      release: chunk.release,
      generation: chunk.generation,
      stream: chunk.stream,
    }
    for (const [index, line] of parts.entries()) {
      lines.push({ ...(index === 0 && pending ? pending.line : facts), line })
    }
    if (rest) open.set(key, { text: rest, line: parts.length === 0 && pending ? pending.line : facts })
    else open.delete(key)
  }
  for (const { text: line, line: facts } of open.values()) lines.push({ ...facts, line })
  return lines
}

const logFile = /^[A-Za-z0-9_-]+\.\d+\.log$/

function matches(line: AppLogLine, query: LogQuery): boolean {
  return (
    (!query.stream || line.stream === query.stream) &&
    (!query.since || line.time > query.since) &&
    (query.generation === undefined || line.generation === query.generation) &&
    (!query.search || line.line.toLowerCase().includes(query.search.toLowerCase()))
  )
}

async function readTail(file: string): Promise<string> {
  const handle = await open(file, 'r').catch(() => null)
  if (!handle) return ''
  try {
    const { size } = await handle.stat()
    const from = Math.max(size - window, 0)
    const buffer = Buffer.allocUnsafe(size - from)
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, from)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await handle.close()
  }
}
