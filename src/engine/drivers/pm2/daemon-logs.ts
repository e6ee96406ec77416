import cluster from 'node:cluster'
import { EventEmitter } from 'node:events'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'
import { type LogLimits, RotatingLog } from '../../rotating-log.ts'

/**
 * Loaded into PM2's daemon (`--import`) before PM2: the log files that PM2 opens rotate. PM2 has no rotation of
 * its own, and a module beside it that copies and empties files loses lines and is outrun by a burst. All PM2
 * opens to append to is logs of apps and services, by `fs.createWriteStream`.
 */

const defaults: LogLimits = { limitBytes: 10_000_000, keep: 4 }
/** A worker of the cluster mode: it writes its own log, and its last lines are written when it ends. */
const inWorker = cluster.isWorker
/** The daemon works in PM2_HOME, and its workers begin there. */
const limitsFile = path.resolve('log-limits.json')
/** By path: two generations write to one file, by one hand. */
const logs = new Map<string, RotatingLog>()
const createWriteStream = fs.createWriteStream

/** What PM2 uses of a stream to a file. */
class LogStream extends EventEmitter {
  /** What has one is an open stream to PM2. */
  readonly fd = 0
  readonly #log: RotatingLog

  constructor(log: RotatingLog) {
    super()
    this.#log = log
    process.nextTick(() => this.emit('open'))
  }

  /** PM2 hears of the end of a process before it has read its last lines; it writes them to what it finds here. */
  get _file(): this {
    return this
  }

  set _file(_: unknown) {}

  write(data: string | Uint8Array, encoding?: unknown, done?: unknown): boolean {
    this.#log.write(Buffer.from(data as Uint8Array))
    for (const callback of [encoding, done]) if (typeof callback === 'function') callback()
    return true
  }

  /** The log closes by itself when nothing comes any more. */
  destroy(): void {}
}

const rotating = (file: fs.PathLike, options?: Parameters<typeof createWriteStream>[1]) => {
  const appends = typeof options === 'object' && options !== null && options.flags === 'a'
  if (!appends || typeof file !== 'string' || !file.endsWith('.log')) return createWriteStream(file, options)
  const log = logs.get(file) ?? new RotatingLog(file, { limits: readLimits, atOnce: inWorker })
  logs.set(file, log)
  return new LogStream(log)
}
Object.assign(fs, { createWriteStream: rotating })
syncBuiltinESMExports()

function readLimits(): LogLimits {
  try {
    const { limitBytes, keep } = JSON.parse(fs.readFileSync(limitsFile, 'utf8')) as Partial<LogLimits>
    return { limitBytes: limitBytes ?? defaults.limitBytes, keep: keep ?? defaults.keep }
  } catch {
    return defaults
  }
}
