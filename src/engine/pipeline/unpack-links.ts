import { realpath, symlink } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { badName } from './unpack-path.ts'

export interface Link {
  readonly parts: readonly string[]
  readonly target: string
}

/** As many as Linux follows in one path. */
const maxHops = 40
/** All links together: a tree of links that point to links could keep a computer busy for hours. */
const maxSteps = 500_000
const maxDepth = 128

/** The target as text. Refuses with `rejected_tree` what is not a plain relative path. */
export function linkTarget(path: string, bytes: Buffer): string {
  const target = bytes.toString('utf8')
  if (target === '') throw badName(path, 'is a symbolic link to nothing')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f\uFFFD\\]/.test(target)) {
    throw badName(path, 'is a symbolic link with unusual characters in its target')
  }
  if (target.startsWith('/') || /^[A-Za-z]:/.test(target)) throw outside(path)
  return target
}

/**
 * Refuses with `rejected_tree` any link that leaves the tree, by its text or by way of other links, whether
 * or not its target exists. `root` is how many leading components are the wrapping folder.
 * Pure: nothing is on disk yet.
 */
export function checkLinks(links: ReadonlyMap<string, Link>, root: number): void {
  const budget = { steps: maxSteps }
  const textOnly = new Map<string, Link>()
  for (const link of links.values()) {
    walk(link, textOnly, root, budget)
    walk(link, links, root, budget)
  }
}

/** Makes the links, after every file is written, and asks the file system once more where they lead. */
export async function makeLinks(
  directory: string,
  links: ReadonlyMap<string, Link>,
  root: string,
): Promise<void> {
  for (const link of links.values()) await symlink(link.target, join(directory, ...link.parts))
  const top = await realpath(root)
  for (const link of links.values()) {
    const real = await realpath(join(directory, ...link.parts)).catch(ignoreMissing)
    if (real !== null && real !== top && !real.startsWith(top + sep)) throw outside(link.parts.join('/'))
  }
}

/** Follows a link as the kernel would. What does not exist counts as a directory: it may come to exist. */
function walk(link: Link, links: ReadonlyMap<string, Link>, root: number, budget: { steps: number }): void {
  const path = link.parts.join('/')
  const at = link.parts.slice(0, -1)
  const todo = link.target.split('/').reverse()
  let hops = 0
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (budget.steps-- <= 0 || at.length > maxDepth)
      throw badName(path, 'is a symbolic link that leads too far')
    if (part === '' || part === '.') continue
    if (part === '..') {
      if (at.length <= root) throw outside(path)
      at.pop()
      continue
    }
    at.push(part)
    const next = links.get(at.join('/'))
    if (!next) continue
    if (++hops > maxHops) throw badName(path, 'is a symbolic link that goes round in circles')
    at.pop()
    todo.push(...next.target.split('/').reverse())
  }
}

function outside(path: string) {
  return badName(path, 'is a symbolic link that points out of the project')
}

function ignoreMissing(error: NodeJS.ErrnoException): null {
  // ENOTDIR: a link through a file leads nowhere either.
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null
  throw error
}
