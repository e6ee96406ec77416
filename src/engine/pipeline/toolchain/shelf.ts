import { randomBytes } from 'node:crypto'
import { chmod, lchown, lstat, mkdir, readdir, rename, rm, utimes } from 'node:fs/promises'
import path from 'node:path'
import { createExclusive } from './exclusive.ts'

/** Folders that are made once by name and then only read: versions of Node, package managers. */
export interface Shelf {
  /**
   * The folder of this name. Where there is none, `make` fills an empty one first, which appears under its name
   * only when it is complete. Whoever asks meanwhile waits for it.
   */
  obtain(name: string, signal: AbortSignal, make: (folder: string) => Promise<void>): Promise<string>
  has(name: string): Promise<boolean>
  names(): Promise<string[]>
  /** Removes what nobody asked for since `maxAgeMs` and is not in `inUse`. Returns the names. */
  prune(options: { readonly inUse: ReadonlySet<string>; readonly maxAgeMs: number }): Promise<string[]>
  /** Removes what a killed server left half-made. For the start, before any deployment. */
  cleanLeftovers(): Promise<void>
}

export interface ShelfOptions {
  readonly directory: string
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** User id that owns kept files, see `Confinement`. */
  readonly keptOwner: number | null
}

/** Begins with a dot, as no version and no package does. */
const unfinished = '.new-'
const discarded = '.old-'

export function createShelf({ directory, now, keptOwner }: ShelfOptions): Shelf {
  const exclusive = createExclusive()
  const at = (name: string) => path.join(directory, name)
  const temporary = (prefix: string) => path.join(directory, prefix + randomBytes(8).toString('hex'))
  const has = (name: string) =>
    lstat(at(name)).then(
      (entry) => entry.isDirectory(),
      () => false,
    )
  // The time of the folder is the time of last use.
  const touch = (name: string) => utimes(at(name), now() / 1000, now() / 1000)

  async function obtain(
    name: string,
    signal: AbortSignal,
    make: (folder: string) => Promise<void>,
  ): Promise<string> {
    return exclusive(name, signal, async () => {
      if (!(await has(name))) {
        const made = temporary(unfinished)
        try {
          await mkdir(made, { recursive: true, mode: 0o755 })
          await make(made)
          await seal(made, keptOwner)
          await rename(made, at(name))
        } finally {
          await rm(made, { recursive: true, force: true })
        }
      }
      await touch(name)
      return at(name)
    })
  }

  const names = async () => (await list(directory)).filter((name) => !name.startsWith('.')).sort()

  async function prune({ inUse, maxAgeMs }: { inUse: ReadonlySet<string>; maxAgeMs: number }) {
    const removed: string[] = []
    for (const name of await names()) {
      if (inUse.has(name)) continue
      await exclusive(name, new AbortController().signal, async () => {
        const used = (await lstat(at(name)).catch(() => null))?.mtimeMs
        if (used === undefined || used >= now() - maxAgeMs) return
        const old = temporary(discarded)
        // out of sight at once, so that nobody finds half of it
        await rename(at(name), old)
        await rm(old, { recursive: true, force: true })
        removed.push(name)
      })
    }
    return removed
  }

  async function cleanLeftovers(): Promise<void> {
    const left = (await list(directory)).filter(
      (name) => name.startsWith(unfinished) || name.startsWith(discarded),
    )
    for (const name of left) await rm(at(name), { recursive: true, force: true })
  }

  return { obtain, has, names, prune, cleanLeftovers }
}

/** Apps run what lies here: none of them may change it for the others. */
async function seal(folder: string, owner: number | null): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name)
    if (entry.isDirectory()) await seal(file, owner)
    else if (entry.isFile()) await chmod(file, ((await lstat(file)).mode & 0o111) === 0 ? 0o444 : 0o555)
    if (owner !== null) await lchown(file, owner, owner)
  }
  if (owner !== null) await lchown(folder, owner, owner)
}

async function list(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}
