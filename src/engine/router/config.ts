import { type TimeLimits, timeLimits } from './limits.ts'

/** What the router is started with. Checked by hand: a schema library would cost this process a third of its memory. */
export interface RouterConfig {
  readonly host: string
  /** 0 takes a free one; `GET /status` says which. */
  readonly port: number
  /** Whether the listening socket is descriptor 3, from a keeper that holds it open when this process ends. */
  readonly inherited?: boolean
  /** Unix socket for apply, drain and status. Readable by its owner only. */
  readonly controlSocket: string
  /** Unix socket of the server: panel, API and git. */
  readonly panelSocket: string
  /** Where the last table is kept, so that a restarted router serves at once. */
  readonly stateFile: string
  /** Address of the proxy in front whose X-Forwarded-* count; null: nobody's do. */
  readonly trustedProxy: string | null
  /** Of an access log: bytes of a part, and how many full parts stay. */
  readonly logs?: { readonly limitBytes: number; readonly keep: number }
  /** False: traffic is not counted, to measure what counting costs. */
  readonly counts?: boolean
  /** Other time limits than the usual ones, ms. */
  readonly limits?: Partial<TimeLimits>
}

/** Parses the text of a config file. Throws an Error with one sentence for people. */
export function parseConfig(text: string): RouterConfig {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) throw new Error('the config is not an object')
  const fields = value as Record<string, unknown>
  const port = fields.port
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error('the config has no valid "port"')
  }
  const trusted = fields.trustedProxy ?? null
  if (trusted !== null && typeof trusted !== 'string') throw new Error('"trustedProxy" is not an address')
  return {
    host: required(fields, 'host'),
    port,
    inherited: fields.inherited === true,
    controlSocket: socketPath(fields, 'controlSocket'),
    panelSocket: socketPath(fields, 'panelSocket'),
    stateFile: required(fields, 'stateFile'),
    trustedProxy: trusted === '' ? null : trusted,
    logs: parseLogs(fields.logs),
    counts: fields.counts !== false,
    limits: parseLimits(fields.limits),
  }
}

function parseLogs(value: unknown): { limitBytes: number; keep: number } {
  if (value === undefined) return { limitBytes: 10_000_000, keep: 4 }
  const { limitBytes, keep } = (value ?? {}) as { limitBytes?: unknown; keep?: unknown }
  if (typeof limitBytes !== 'number' || typeof keep !== 'number' || !(limitBytes > 0) || !(keep >= 0)) {
    throw new Error('"logs" has no valid "limitBytes" and "keep"')
  }
  return { limitBytes, keep }
}

function parseLimits(value: unknown): Partial<TimeLimits> {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null) throw new Error('"limits" is not an object')
  for (const [name, ms] of Object.entries(value)) {
    if (!Object.hasOwn(timeLimits, name)) throw new Error(`"limits" knows no ${name}`)
    if (typeof ms !== 'number' || !(ms > 0)) throw new Error(`"limits.${name}" is not a time in ms`)
  }
  return value
}

function required(fields: Record<string, unknown>, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string' || value === '') throw new Error(`the config has no "${name}"`)
  return value
}

/** The kernel keeps 108 bytes for the path of a unix socket and longer ones fail without a reason. */
function socketPath(fields: Record<string, unknown>, name: string): string {
  const path = required(fields, name)
  if (Buffer.byteLength(path) > 107)
    throw new Error(`the path of "${name}" is longer than 107 bytes: ${path}`)
  return path
}
