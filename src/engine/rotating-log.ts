import fs from 'node:fs'
import path from 'node:path'

/**
 * A log file that never outgrows its limit, written inside PM2's daemon in place of PM2's own stream: so no
 * burst can outrun the rotation, and no line is lost by it. `web.1.log` is the newest part; a full one is kept
 * as `web.1.log.7`, with numbers that only rise. Several processes may write to one file.
 */

export interface LogLimits {
  /** A part is full before it is larger than this, bytes. */
  readonly limitBytes: number
  /** How many full parts stay. */
  readonly keep: number
}

export interface RotatingLogOptions {
  readonly limits: () => LogLimits
  /** Write at once, on the caller's thread: for a process that may end the moment after. */
  readonly atOnce: boolean
}

/** Bytes that wait for a slow disk; what comes on top of them is lost. */
const mostWaiting = 64_000_000
const batchBytes = 1_000_000
/** A file nobody writes to any more is closed after this, ms. */
const idleMs = 5_000

export class RotatingLog {
  readonly #file: string
  readonly #options: RotatingLogOptions
  #limits: LogLimits
  #open: { readonly fd: number; readonly inode: number; size: number } | null = null
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #busy = false
  #torn = false
  #idle: NodeJS.Timeout | undefined

  constructor(file: string, options: RotatingLogOptions) {
    this.#file = file
    this.#options = options
    this.#limits = options.limits()
  }

  /** One record, or several whole ones. Never throws: what the disk does not take is lost. */
  write(bytes: Buffer): void {
    this.#stayOpen()
    if (this.#options.atOnce) this.#writeNow([bytes])
    else this.#queue(bytes)
  }

  #queue(bytes: Buffer): void {
    if (this.#waitingBytes > mostWaiting) return
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    if (!this.#busy) this.#drain()
  }

  #drain(): void {
    this.#busy = true
    let count = 0
    let size = 0
    for (; count < this.#waiting.length && size < batchBytes; count++)
      size += this.#waiting[count]?.length ?? 0
    // all at once: taking the first of many thousands away moves all others, each time
    const batch = this.#waiting.splice(0, count)
    this.#waitingBytes -= size
    this.#writeSoon(batch, () => {
      if (this.#waiting.length > 0) this.#drain()
      else this.#busy = false
    })
  }

  /** Whole records to one part after the other. What the disk does not take is lost; the next try is the next write. */
  #writeSoon(records: readonly Buffer[], done: () => void): void {
    const [part, rest] = this.#part(records)
    const { fd } = this.#open ?? {}
    if (fd === undefined || part.length === 0) {
      done()
      return
    }
    const length = part.reduce((sum, { length }) => sum + length, 0)
    fs.writev(fd, part, (error, written) => {
      this.#count(length, error ? 0 : written)
      if (rest.length > 0) this.#writeSoon(rest, done)
      else done()
    })
  }

  #writeNow(records: readonly Buffer[]): void {
    for (let left = records; left.length > 0; ) {
      const [part, rest] = this.#part(left)
      const { fd } = this.#open ?? {}
      if (fd === undefined || part.length === 0) return
      const length = part.reduce((sum, { length }) => sum + length, 0)
      let written = 0
      try {
        written = fs.writevSync(fd, part)
      } catch {
        // the disk is full
      }
      this.#count(length, written)
      left = rest
    }
  }

  /** The records that still fit, at least one; a full part is put away before. */
  #part(records: readonly Buffer[]): [part: Buffer[], rest: Buffer[]] {
    try {
      this.#follow()
      if (this.#isFull(records[0]?.length ?? 0)) this.#rotate()
    } catch {
      // no such folder any more, no descriptor left: as with a full disk
    }
    let room = this.#limits.limitBytes - (this.#open?.size ?? 0)
    let count = 0
    for (const { length } of records) {
      if (count > 0 && length > room) break
      room -= length
      count++
    }
    const part = records.slice(0, count)
    if (this.#torn) part.unshift(Buffer.from('\n'))
    return [part, records.slice(count)]
  }

  #isFull(more: number): boolean {
    const { size = 0 } = this.#open ?? {}
    return size > 0 && size + more > this.#limits.limitBytes
  }

  #count(wanted: number, written: number): void {
    if (this.#open) this.#open.size += written
    // half a record: the next one that the disk takes must not be glued to it, however many it refuses before
    if (written > 0) this.#torn = written < wanted
  }

  /** The file by its name, whoever has put the old one away. */
  #follow(): void {
    const named = fs.statSync(this.#file, { throwIfNoEntry: false })
    if (this.#open && named?.ino === this.#open.inode) {
      // somebody emptied it, or writes to it too
      this.#open.size = named.size
      return
    }
    this.#close()
    const fd = fs.openSync(this.#file, 'a', 0o600)
    const { ino, size } = fs.fstatSync(fd)
    this.#open = { fd, inode: ino, size }
  }

  #rotate(): void {
    this.#limits = this.#options.limits()
    const parts = numbersOf(this.#file)
    let number = (parts.at(-1) ?? 0) + 1
    // a link fails where a name is taken, a rename would replace it
    while (!linked(this.#file, `${this.#file}.${number}`)) number++
    if (this.#alsoPutAwayByAnother()) fs.rmSync(`${this.#file}.${number}`, { force: true })
    else fs.rmSync(this.#file, { force: true })
    for (const old of parts) {
      if (old <= number - this.#limits.keep) fs.rmSync(`${this.#file}.${old}`, { force: true })
    }
    if (this.#limits.keep === 0) fs.rmSync(`${this.#file}.${number}`, { force: true })
    this.#follow()
  }

  /** Another process came to the same end in this very moment: its own name, its link and ours are three. */
  #alsoPutAwayByAnother(): boolean {
    return this.#open !== null && fs.fstatSync(this.#open.fd).nlink > 2
  }

  #stayOpen(): void {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => {
      if (this.#busy) this.#stayOpen()
      else this.#close()
    }, idleMs).unref()
  }

  #close(): void {
    if (this.#open) fs.closeSync(this.#open.fd)
    this.#open = null
  }
}

function linked(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Of the full parts, ascending. */
function numbersOf(file: string): number[] {
  const prefix = `${path.basename(file)}.`
  return fs
    .readdirSync(path.dirname(file))
    .flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []))
    .filter((rest) => /^\d{1,12}$/.test(rest))
    .map(Number)
    .sort((a, b) => a - b)
}
