import type { FileHandle } from 'node:fs/promises'
import { stat } from 'node:fs/promises'
import { type Assembler, closingMs, createAssembler, type FoundLine, type Position } from './assemble.ts'
import { type Chain, numbersOf, openChain, openPart } from './chain.ts'
import type { FilePosition } from './cursor.ts'
import { createSplitter, fileOf, identify, openLog, type RecordSplitter } from './file.ts'
import type { PlacedLine, Reach } from './history.ts'
import type { Hiding } from './line.ts'

/** What one read takes, bytes: some thousand lines, so that viewers get their turn in between. */
const pieceBytes = 256 * 1024
/** How far before its beginning a tail looks for lines that are not ended, bytes. */
const lookBack = 64_000

/** A part that has been read, or is being read; bytes of the tail's own count. */
interface Part {
  identity: string
  readonly start: number
  end: number
}

/**
 * Reads one instance's log as it grows, from part to part. The file may be put away, emptied, moved or made anew
 * at any moment; a tail that is outrun says so.
 */
export class FileTail {
  readonly instance: string
  readonly #directory: string
  readonly #hiding: Hiding
  #handle: FileHandle | null = null
  #inode = 0
  /** Full parts up to this number are read, or were there before. */
  #doneUpTo = 0
  /** What is open has been put away, and is read to its end by now: the next part is to come. */
  #isPutAway = false
  #parts: Part[] = [{ identity: '', start: 0, end: 0 }]
  #found: PlacedLine[] = []
  #assembler: Assembler
  #splitter: RecordSplitter
  /** Whether bytes are gone that nobody has read. */
  #lost = false

  constructor(directory: string, instance: string, hiding: Hiding) {
    this.#directory = directory
    this.#hiding = hiding
    this.instance = instance
    this.#assembler = createAssembler(instance, hiding)
    this.#splitter = this.#createSplitter(0)
  }

  /** Begins at the end of what there is, knowing which lines are not ended there. */
  async skipToEnd(): Promise<void> {
    const chain = await openChain(this.#directory, this.instance)
    if (!chain) return
    try {
      this.#startAt(await chain.boundaryAt(chain.size - lookBack))
      for await (const piece of chain.read(this.#splitter.next())) this.#splitter.push(piece)
      this.#takeOver(chain)
    } finally {
      const others = chain.segments.filter(({ handle }) => handle !== this.#handle)
      for (const { handle } of others) await handle.close().catch(() => {})
    }
    this.#found = []
  }

  /** Lines that are new since the last time, `more` when there are further ones already. */
  async read(now: number): Promise<{ lines: readonly PlacedLine[]; more: boolean; lost: boolean }> {
    const more = await this.#readNew()
    this.#take(this.#assembler.close((lastAt) => now - lastAt > closingMs))
    const lines = this.#found
    const lost = this.#lost
    this.#found = []
    this.#lost = false
    this.#forgetParts()
    return { lines, more, lost }
  }

  /** Whether a line waits for its end. */
  isOpen(): boolean {
    return this.#assembler.openKeys().size > 0
  }

  reach(): Reach {
    const { identity: endsIn, base: end } = this.#place({ base: this.#assembler.end(), skip: 0 })
    return {
      ...this.#place(this.#assembler.position()),
      endsIn,
      end,
      openKeys: this.#assembler.openKeys(),
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close().catch(() => {})
    this.#handle = null
  }

  get #part(): Part {
    return this.#parts.at(-1) as Part
  }

  async #readNew(): Promise<boolean> {
    if (!this.#handle && !(await this.#begin())) return false
    const { size } = (await this.#handle?.stat()) ?? { size: 0 }
    const read = this.#splitter.next() - this.#part.start
    if (size < read) {
      this.#lost = true
      this.#startAt(0)
      return this.#readNew()
    }
    if (size === read) return this.#followName()
    await this.#readUpTo(Math.min(size, read + pieceBytes))
    return this.#splitter.next() - this.#part.start < size
  }

  /** An instance that is new may have filled parts already. */
  async #begin(): Promise<boolean> {
    const newer = await this.#newer()
    return newer.length > 0 ? this.#goOn(newer) : this.#openNamed()
  }

  /** What is open is read to its end: is there another one by its name? Then it must not have grown meanwhile. */
  async #followName(): Promise<boolean> {
    const named = await stat(fileOf(this.#directory, this.instance)).catch(() => null)
    if (named?.ino === this.#inode) return false
    const { size } = (await this.#handle?.stat()) ?? { size: 0 }
    if (size > this.#splitter.next() - this.#part.start) return true
    const newer = await this.#newer()
    if (newer.length > 0 || this.#isPutAway) return this.#goOn(newer)
    if (!named) return false
    await this.close()
    return this.#openNamed()
  }

  /** Through the parts that were put away since; the one that was being read is the first of them. */
  async #goOn(newer: readonly number[]): Promise<boolean> {
    for (const number of newer) {
      const handle = await openPart(this.#directory, this.instance, number)
      const inode = handle && (await handle.stat()).ino
      const isOwn = inode !== null && inode === this.#inode
      if (!isOwn && number !== this.#doneUpTo + 1) this.#lost = true
      this.#doneUpTo = number
      this.#isPutAway ||= isOwn
      if (isOwn || !handle) {
        await handle?.close()
        continue
      }
      await this.#change(handle)
      this.#isPutAway = true
      return true
    }
    const handle = await this.#newest()
    if (handle) await this.#change(handle)
    return handle !== null
  }

  async #newer(): Promise<number[]> {
    const numbers = await numbersOf(this.#directory, this.instance)
    return numbers.filter((one) => one > this.#doneUpTo)
  }

  /** The part that is written to, unless others were put away before it: those come first. */
  async #newest(): Promise<FileHandle | null> {
    const handle = await openLog(fileOf(this.#directory, this.instance))
    if (!handle) return null
    if ((await this.#newer()).length === 0) return handle
    await handle.close()
    return null
  }

  /** The next part: a line may go on in it. */
  async #change(handle: FileHandle): Promise<void> {
    await this.close()
    this.#isPutAway = false
    this.#handle = handle
    this.#inode = (await handle.stat()).ino
    const start = this.#splitter.next()
    this.#parts.push({ identity: await identify(handle), start, end: start })
  }

  async #readUpTo(size: number): Promise<void> {
    while (this.#handle) {
      const at = this.#splitter.next() - this.#part.start
      if (at >= size) break
      const length = Math.min(size - at, pieceBytes)
      const { bytesRead, buffer } = await this.#handle.read(Buffer.allocUnsafe(length), 0, length, at)
      if (bytesRead === 0) break
      this.#splitter.push(buffer.subarray(0, bytesRead))
      this.#part.end = this.#splitter.next()
    }
    if (this.#handle && this.#part.identity === '') await this.#learnIdentity(this.#handle)
  }

  async #learnIdentity(handle: FileHandle): Promise<void> {
    const identity = await identify(handle)
    this.#part.identity = identity
    this.#found = this.#found.map((line) =>
      line.after.identity === '' ? { ...line, after: { ...line.after, identity } } : line,
    )
  }

  /** The file by its name, from its beginning. */
  async #openNamed(): Promise<boolean> {
    const handle = await this.#newest()
    if (!handle) return false
    this.#handle = handle
    this.#isPutAway = false
    this.#inode = (await handle.stat()).ino
    this.#startAt(0)
    this.#part.identity = await identify(handle)
    return true
  }

  #takeOver({ segments }: Chain): void {
    const last = segments.at(-1)
    this.#handle = last?.handle ?? null
    this.#inode = last?.inode ?? 0
    this.#isPutAway = last?.number != null
    this.#doneUpTo = segments.reduce((most, { number }) => Math.max(most, number ?? 0), 0)
    this.#parts = segments.map(({ identity, start, size }) => ({ identity, start, end: start + size }))
  }

  #startAt(place: number): void {
    // what the old filling left unended is complete now
    this.#take(this.#assembler.close(() => true))
    this.#parts = [{ identity: '', start: 0, end: place }]
    this.#assembler = createAssembler(this.instance, this.#hiding, { base: place, skip: 0 })
    this.#splitter = this.#createSplitter(place)
  }

  #createSplitter(place: number): RecordSplitter {
    return createSplitter(place, (text, start, stop) => this.#take(this.#assembler.push(text, start, stop)))
  }

  #take(found: readonly FoundLine[]): void {
    for (const { line, after } of found) {
      this.#found.push({ line, instance: this.instance, after: this.#place(after) })
    }
  }

  /** At a seam the older part, whose identity is known. The newest one is still growing. */
  #place({ base, skip }: Position): FilePosition {
    const part = this.#parts.find(({ end }, at) => at === this.#parts.length - 1 || base <= end)
    return { identity: part?.identity ?? '', base: base - (part?.start ?? 0), skip }
  }

  /** Places before the last line that is still open are asked for by nobody. */
  #forgetParts(): void {
    const { base } = this.#assembler.position()
    while (this.#parts.length > 1 && (this.#parts[0]?.end ?? 0) < base) this.#parts.shift()
  }
}
