import { displayName } from '../archive/display-name.ts'
import type { Refusal } from '../domain/refusal.ts'
import { badName, foldName } from './unpack-path.ts'

type Kind = 'file' | 'directory' | 'symlink'
type Known = { readonly path: string; readonly kind: Kind }

const kindNames: Readonly<Record<Kind, string>> = {
  file: 'a file',
  directory: 'a folder',
  symlink: 'a symbolic link',
}

/**
 * Every name of a tree, each with one meaning on any file system: unique after NFC and case folding, and
 * never below a file or a symbolic link.
 */
export class TreeNames {
  readonly #known = new Map<string, Known>()
  readonly #directories = new Set<string>()
  readonly #top = new Set<string>()

  /** The names at the top of the tree. */
  get top(): ReadonlySet<string> {
    return this.#top
  }

  isDirectory(path: string): boolean {
    return this.#directories.has(path)
  }

  /**
   * Takes the name for an entry. Returns the directories it needs that do not exist yet, outermost first
   * (for a directory also itself). Refuses with `rejected_tree` a name that is taken.
   */
  claim(parts: readonly string[], kind: Kind): readonly string[] {
    const path = parts.join('/')
    const fresh = this.#claimParents(parts)
    if (kind === 'directory') return this.#claimDirectory(path) ? [...fresh, path] : fresh
    const fold = foldName(path)
    const known = this.#known.get(fold)
    if (known) throw collision({ path, kind }, known)
    this.#known.set(fold, { path, kind })
    if (parts.length === 1) this.#top.add(path)
    return fresh
  }

  #claimParents(parts: readonly string[]): string[] {
    if (parts.length < 2 || this.#directories.has(parts.slice(0, -1).join('/'))) return []
    const fresh: string[] = []
    for (let depth = 1; depth < parts.length; depth++) {
      const path = parts.slice(0, depth).join('/')
      if (this.#claimDirectory(path)) fresh.push(path)
    }
    return fresh
  }

  /** Whether it is new. The same directory may be named any number of times, in one spelling. */
  #claimDirectory(path: string): boolean {
    if (this.#directories.has(path)) return false
    const fold = foldName(path)
    const known = this.#known.get(fold)
    if (known) throw collision({ path, kind: 'directory' }, known)
    this.#known.set(fold, { path, kind: 'directory' })
    this.#directories.add(path)
    if (!path.includes('/')) this.#top.add(path)
    return true
  }
}

function collision(entry: Known, known: Known): Refusal {
  if (entry.path !== known.path) {
    const other = displayName(known.path)
    return badName(entry.path, `and "${other}" are one name where case or accents do not count`)
  }
  if (entry.kind === known.kind) return badName(entry.path, 'comes twice')
  return badName(entry.path, `is both ${kindNames[known.kind]} and ${kindNames[entry.kind]}`)
}
