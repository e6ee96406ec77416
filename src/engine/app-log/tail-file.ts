import type { FileHandle } from 'node:fs/promises'
import { stat } from 'node:fs/promises'
import { type Assembler, closingMs, createAssembler, type FoundLine } from './assemble.ts'
import { boundaryAt, createSplitter, identify, openLog, type RecordSplitter } from './file.ts'
import type { PlacedLine, Reach } from './history.ts'
import type { Hiding } from './line.ts'

/** What one read takes, bytes: some thousand lines, so that viewers get their turn in between. */
const pieceBytes = 256 * 1024
/** How far before its beginning a tail looks for lines that are not ended, bytes. */
const lookBack = 64_000

/** Reads one log file as it grows. It may be emptied, moved away or made anew at any moment. */
export class FileTail {
  readonly instance: string
  readonly #file: string
  readonly #hiding: Hiding
  #handle: FileHandle | null = null
  #inode = 0
  #identity = ''
  #found: PlacedLine[] = []
  #assembler: Assembler
  #splitter: RecordSplitter
  /** Whether the file lost bytes that nobody has read. */
  #lost = false

  constructor(file: string, instance: string, hiding: Hiding) {
    this.#file = file
    this.#hiding = hiding
    this.instance = instance
    this.#assembler = createAssembler(instance, hiding)
    this.#splitter = this.#createSplitter(0)
  }

  /** Begins at the end of what there is, knowing which lines are not ended there. */
  async skipToEnd(): Promise<void> {
    if (!(await this.#open()) || !this.#handle) return
    const { size } = await this.#handle.stat()
    this.#startAt(await boundaryAt(this.#handle, size - lookBack))
    await this.#readUpTo(size)
    this.#found = []
  }

  /** Lines that are new since the last time, `more` when the file has further ones already. */
  async read(now: number): Promise<{ lines: readonly PlacedLine[]; more: boolean; lost: boolean }> {
    const more = await this.#readNew()
    this.#take(this.#assembler.close((lastAt) => now - lastAt > closingMs))
    const lines = this.#found
    const lost = this.#lost
    this.#found = []
    this.#lost = false
    return { lines, more, lost }
  }

  /** Whether a line waits for its end. */
  isOpen(): boolean {
    return this.#assembler.openKeys().size > 0
  }

  reach(): Reach {
    return {
      identity: this.#identity,
      ...this.#assembler.position(),
      end: this.#assembler.end(),
      openKeys: this.#assembler.openKeys(),
    }
  }

  async close(): Promise<void> {
    await this.#handle?.close().catch(() => {})
    this.#handle = null
  }

  async #readNew(): Promise<boolean> {
    if (!this.#handle && !(await this.#open())) return false
    const { size } = (await this.#handle?.stat()) ?? { size: 0 }
    if (size < this.#splitter.next()) {
      this.#lost = true
      this.#startAt(0)
    }
    if (size === this.#splitter.next()) return this.#followName()
    const end = Math.min(size, this.#splitter.next() + pieceBytes)
    await this.#readUpTo(end)
    return end < size
  }

  /** The old file is read to its end: is there another one by its name? */
  async #followName(): Promise<boolean> {
    const named = await stat(this.#file).catch(() => null)
    if (!named || named.ino === this.#inode) return false
    await this.close()
    return this.#open()
  }

  async #readUpTo(end: number): Promise<void> {
    while (this.#handle && this.#splitter.next() < end) {
      const at = this.#splitter.next()
      const length = Math.min(end - at, pieceBytes)
      const { bytesRead, buffer } = await this.#handle.read(Buffer.allocUnsafe(length), 0, length, at)
      if (bytesRead === 0) break
      this.#splitter.push(buffer.subarray(0, bytesRead))
    }
    if (this.#handle && this.#identity === '') await this.#learnIdentity(this.#handle)
  }

  async #learnIdentity(handle: FileHandle): Promise<void> {
    this.#identity = await identify(handle)
    this.#found = this.#found.map((line) => ({ ...line, after: { ...line.after, identity: this.#identity } }))
  }

  async #open(): Promise<boolean> {
    this.#handle = await openLog(this.#file)
    if (!this.#handle) return false
    this.#inode = (await this.#handle.stat()).ino
    this.#startAt(0)
    this.#identity = await identify(this.#handle)
    return true
  }

  #startAt(place: number): void {
    // what the old filling left unended is complete now
    this.#take(this.#assembler.close(() => true))
    this.#identity = ''
    this.#assembler = createAssembler(this.instance, this.#hiding, { base: place, skip: 0 })
    this.#splitter = this.#createSplitter(place)
  }

  #createSplitter(place: number): RecordSplitter {
    return createSplitter(place, (text, start, stop) => this.#take(this.#assembler.push(text, start, stop)))
  }

  #take(found: readonly FoundLine[]): void {
    for (const { line, after } of found) {
      this.#found.push({ line, instance: this.instance, after: { identity: this.#identity, ...after } })
    }
  }
}
