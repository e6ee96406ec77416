import { type FSWatcher, watch } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { instancesIn } from './file.ts'
import type { PlacedLine, Reach } from './history.ts'
import type { AppLog } from './line.ts'
import { mergeByTime } from './merge.ts'
import { createRing, type Ring } from './ring.ts'
import { FileTail } from './tail-file.ts'

/** Between two looks at least, ms: what comes meanwhile comes together. */
const restMs = 40
/** A look without any sign, ms: events can be missed, folders can be missing, systems can have no watch. */
const pollMs = 1_000

/** So many lines come to the ring together, then a pause; that is 400,000 a second. */
const sliceLines = 2_000
const sliceMs = 5

export interface Published {
  readonly next: number
  readonly reach: ReadonlyMap<string, Reach>
}

export interface TailOptions {
  readonly log: AppLog
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly onError: (error: unknown) => void
}

/** Reads all log files of one project as they grow, once for all viewers. */
export class Tail {
  readonly ring: Ring = createRing()
  /** Resolves when every file's end is known. */
  readonly ready: Promise<void>
  readonly #options: TailOptions
  readonly #files = new Map<string, FileTail>()
  #watcher: FSWatcher | null = null
  #stopped = false
  #stirred = false
  #stir: () => void = () => {}
  #namesChanged = true
  #published: Published = { next: 0, reach: new Map() }
  #waiting = new Set<() => void>()

  constructor(options: TailOptions) {
    this.#options = options
    this.ready = this.#begin()
    this.ready.then(
      () => this.#run(),
      () => this.#close(),
    )
  }

  /** Resolves when the ring grows after the call, or the signal is aborted. */
  changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#stopped) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done)
        this.#waiting.delete(done)
        resolve()
      }
      signal.addEventListener('abort', done, { once: true })
      this.#waiting.add(done)
    })
  }

  /** How far it has read, and the number of the line that comes next: everything before is the past. */
  published(): Published {
    return this.#published
  }

  stop(): void {
    this.#stopped = true
    this.#watcher?.close()
    this.#stir()
  }

  async #begin(): Promise<void> {
    this.#watch()
    for (const instance of await instancesIn(this.#options.log.directory)) {
      await this.#add(instance).skipToEnd()
    }
    await this.#publish([])
  }

  async #run(): Promise<void> {
    let lookedAt = 0
    while (!this.#stopped) {
      try {
        if (this.#namesChanged || !this.#watcher || performance.now() - lookedAt >= pollMs) {
          lookedAt = performance.now()
          await this.#findFiles()
        }
        const more = await this.#look()
        if (!more) await this.#rest()
      } catch (error) {
        this.#options.onError(error)
        await pause(pollMs)
      }
    }
    await this.#close()
  }

  async #close(): Promise<void> {
    for (const file of this.#files.values()) await file.close()
  }

  async #look(): Promise<boolean> {
    const now = this.#options.clock()
    const lists: (readonly PlacedLine[])[] = []
    let more = false
    let lost = 0
    for (const file of this.#files.values()) {
      const found = await file.read(now)
      lists.push(found.lines)
      more ||= found.more
      if (found.lost) lost++
    }
    await this.#publish(mergeByTime(lists), lost)
    return more
  }

  /** A few at a time, so that who keeps up misses nothing however much there is. */
  async #publish(lines: readonly PlacedLine[], lost = 0): Promise<void> {
    const reach = new Map([...this.#files].map(([instance, file]) => [instance, file.reach()]))
    if (lost > 0) this.ring.push({ gap: lost })
    for (let from = 0; from < lines.length; from += sliceLines) {
      for (const line of lines.slice(from, from + sliceLines)) this.ring.push(line)
      this.#wake()
      if (from + sliceLines < lines.length) await pause(sliceMs)
    }
    this.#wake()
    // at one stroke: what the files have read and what the ring holds belong together
    this.#published = { next: this.ring.next(), reach }
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  /** Until the folder stirs, or it is time to look without a sign. */
  async #rest(): Promise<void> {
    await pause(restMs)
    if (this.#stirred || this.#stopped) {
      this.#stirred = false
      return
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#watcher ? pollMs : pollMs / 4)
      this.#stir = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#stir = () => {}
    this.#stirred = false
  }

  async #findFiles(): Promise<void> {
    this.#namesChanged = false
    if (!this.#watcher) this.#watch()
    const there = new Set(await instancesIn(this.#options.log.directory))
    for (const instance of there) if (!this.#files.has(instance)) this.#add(instance)
  }

  #add(instance: string): FileTail {
    const { directory, hiding } = this.#options.log
    const file = new FileTail(directory, instance, hiding)
    this.#files.set(instance, file)
    return file
  }

  #watch(): void {
    try {
      this.#watcher = watch(this.#options.log.directory, { persistent: false }, (event) => {
        this.#stirred = true
        this.#namesChanged ||= event === 'rename'
        this.#stir()
      })
      this.#watcher.on('error', () => this.#unwatch())
    } catch {
      this.#watcher = null
    }
  }

  #unwatch(): void {
    this.#watcher?.close()
    this.#watcher = null
  }
}
