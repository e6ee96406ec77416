import { ByteReader, RecordTooLong, TruncatedInput } from '../engine/archive/byte-reader.ts'
import { Refusal } from '../engine/domain/refusal.ts'
import type { EntryKind, Source, SourceEntry } from '../engine/ports.ts'
import { commitHistory } from './history.ts'
import { type GitProcess, startGit, unreadable } from './process.ts'
import { type Environment, gitEnvironment, shaPattern } from './repository.ts'

export interface GitSourceOptions {
  /** The bare repository. */
  readonly directory: string
  /** A whole commit id. */
  readonly sha: string
  /** The hook's object variables, for a commit that is still in quarantine. */
  readonly objectEnvironment?: Environment
  /** First line of the commit's message. */
  readonly message: string | null
  /** PATH and HOME. */
  readonly environment: Environment
  /** The whole reading, ms. */
  readonly timeoutMs?: number
}

/** One line of `git ls-tree -z -l`. */
interface TreeLine {
  readonly path: string
  readonly mode: number
  readonly kind: EntryKind
  readonly object: string
  readonly size: number | null
  requested: boolean
}

const defaultTimeoutMs = 10 * 60_000
/** Longest line of a listing, bytes: what is longer no file system can hold. */
const maxLine = 16 * 1024
/** Objects asked for ahead of their turn: saves a round trip each. Their ids fit into a pipe's buffer. */
const ahead = 64

/**
 * The files of a commit, byte for byte: attributes, filters and line endings of the repository have no
 * effect. Two git processes a reading, `ls-tree` for the names and `cat-file --batch` for the contents, only
 * as fast as the entries are asked for, and ended with the iteration.
 * Refuses with `rejected_tree` what git cannot read, with `timeout` after `timeoutMs`.
 */
export function gitSource(options: GitSourceOptions): Source {
  const { sha } = options
  if (!shaPattern.test(sha)) throw new Refusal('invalid', 'that is not a commit id')
  return {
    kind: 'git',
    label: sha.slice(0, 7),
    revision: sha,
    message: options.message,
    bytes: null,
    entries: (signal) => readCommit(options, signal),
    history: commitHistory(options),
  }
}

async function* readCommit(options: GitSourceOptions, signal: AbortSignal): AsyncGenerator<SourceEntry> {
  signal.throwIfAborted()
  const env = gitEnvironment(options.environment, options.objectEnvironment)
  const start = (args: readonly string[]) =>
    startGit({
      args,
      directory: options.directory,
      env,
      signal,
      timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
    })
  const listing = start(['ls-tree', '-r', '-z', '-l', '--full-tree', options.sha])
  const objects = start(['cat-file', '--batch'])
  try {
    yield* new CommitReader(listing, objects).entries()
  } finally {
    await Promise.all([listing.end(), objects.end()])
  }
}

class CommitReader {
  readonly #listing: GitProcess
  readonly #objects: GitProcess
  readonly #lines: ByteReader
  readonly #contents: ByteReader
  readonly #queue: TreeLine[] = []
  #listed = false
  /** Whether the last file was read: someone who skips files is not sent more of them. */
  #eager = true

  constructor(listing: GitProcess, objects: GitProcess) {
    this.#listing = listing
    this.#objects = objects
    this.#lines = new ByteReader(listing.stdout)
    this.#contents = new ByteReader(objects.stdout)
  }

  async *entries(): AsyncGenerator<SourceEntry> {
    for (;;) {
      await this.#fill()
      const line = this.#queue.shift()
      if (!line) return
      if (line.kind === 'other') yield { ...facts(line), body: nothing }
      else yield* this.#withBody(line)
    }
  }

  async #fill(): Promise<void> {
    while (!this.#listed && this.#queue.length < ahead) {
      const record = await this.#listing.watch(readRecord(this.#lines))
      if (record === null) {
        this.#listed = true
        await this.#listing.expectSuccess()
      } else this.#queue.push(parseLine(record))
    }
    if (this.#eager) for (const line of this.#queue) this.#request(line)
  }

  /** Answers come in the order of the requests, so no line is passed over: `#fill` asks from the front. */
  #request(line: TreeLine): void {
    if (line.requested || line.kind === 'other') return
    line.requested = true
    this.#objects.stdin.write(`${line.object}\n`)
  }

  async *#withBody(line: TreeLine): AsyncGenerator<SourceEntry> {
    let left: number | null = null
    let read = false
    const open = async () => {
      this.#request(line)
      left = await this.#objects.watch(readHeader(this.#contents, line))
    }
    const next = async (max: number) => {
      const chunk = await this.#objects.watch(this.#contents.atMost(max))
      if (!chunk) return await this.#objects.fail()
      left = max - chunk.length
      return chunk
    }
    async function* body(): AsyncGenerator<Uint8Array> {
      read = true
      if (left === null) await open()
      while (left) yield await next(left)
    }
    yield { ...facts(line), body }
    this.#eager = read
    if (!line.requested) return
    if (left === null) await open()
    await this.#objects.watch(this.#contents.skip((left ?? 0) + 1))
  }
}

function facts(line: TreeLine): Omit<SourceEntry, 'body'> {
  return { path: line.path, kind: line.kind, mode: line.mode, size: line.size }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function readRecord(lines: ByteReader): Promise<string | null> {
  try {
    return (await lines.until(0, maxLine))?.toString('utf8') ?? null
  } catch (error) {
    if (error instanceof RecordTooLong) throw unreadable('it has a path that is too long')
    throw error
  }
}

/** `100644 blob <id>   <size>TAB<path>`; the size is `-` for what is no file. */
function parseLine(record: string): TreeLine {
  const match = /^(\d{6}) (\w+) ([0-9a-f]{40,64}) +(\d+|-)\t(.*)$/s.exec(record)
  if (!match) throw unreadable('its listing makes no sense')
  const [, mode = '', , object = '', size = '-', path = ''] = match
  const bits = Number.parseInt(mode, 8)
  return {
    path,
    mode: bits,
    kind: kindOf(bits),
    object,
    size: size === '-' ? null : Number(size),
    requested: false,
  }
}

function kindOf(mode: number): EntryKind {
  const type = mode & 0o170000
  if (type === 0o100000) return 'file'
  return type === 0o120000 ? 'symlink' : 'other'
}

/** `<id> blob <size>`, or `<id> missing`. Returns the size. */
async function readHeader(contents: ByteReader, line: TreeLine): Promise<number> {
  const header = (await contents.until(0x0a, 256))?.toString('latin1')
  if (header === undefined) throw new TruncatedInput('no answer')
  const [id, type, size] = header.split(' ')
  if (id !== line.object || type !== 'blob' || size === undefined) {
    throw unreadable(`the object ${line.object.slice(0, 12)} is missing`)
  }
  return Number(size)
}
