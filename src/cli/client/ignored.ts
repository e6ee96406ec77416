import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { Ignore, Options } from 'ignore'

// its own types promise an ES module's default export that Node does not see
const ignore: (options?: Options) => Ignore = createRequire(import.meta.url)('ignore')

/** Which files stay behind: what .gitignore files name, as git reads them, and .nodepilotignore files after them. */

interface Rules {
  /** The folder they stand in, from the root of the walk; '' is the root, '../' above it. */
  readonly folder: string
  readonly rules: Ignore
}

export type Ignored = readonly Rules[]

const files = ['.gitignore', '.nodepilotignore']

/** Never part of a source, whatever the rules say: installed modules, and git's own. */
export const alwaysIgnored: ReadonlySet<string> = new Set(['.git', 'node_modules'])

/** The rules that come from above: a folder inside a repository is bound by the repository's own. */
export function rulesAbove(root: string): Ignored {
  const found: Rules[] = []
  for (let at = root; !existsSync(path.join(at, '.git')); ) {
    const up = path.dirname(at)
    if (up === at) return []
    at = up
    found.unshift(...rulesIn(at, path.relative(root, at)))
  }
  return found
}

/** The rules of one folder. `name` is its path from the root of the walk. */
export function rulesIn(folder: string, name: string): Ignored {
  return files.flatMap((file) => {
    const text = readIfThere(path.join(folder, file))
    return text === null ? [] : [{ folder: name, rules: ignore({ ignorecase: false }).add(text) }]
  })
}

/** The deepest rule that speaks of it decides. `name` is its path from the root; folders end in `/`. */
export function isIgnored(ignored: Ignored, root: string, name: string): boolean {
  let out = false
  for (const { folder, rules } of ignored) {
    const verdict = rules.test(relativeTo(root, folder, name))
    if (verdict.ignored) out = true
    else if (verdict.unignored) out = false
  }
  return out
}

/**
 * Rules for what is inside of a folder that was not ignored. Rules that ignore the folder itself (and were
 * overruled by deeper ones) are left out: they would ignore everything in it.
 */
export function rulesInside(ignored: Ignored, root: string, name: string): Ignored {
  return ignored.filter(({ folder, rules }) => !rules.test(relativeTo(root, folder, `${name}/`)).ignored)
}

function relativeTo(root: string, folder: string, name: string): string {
  const relative = path.relative(path.resolve(root, folder), path.resolve(root, name))
  return name.endsWith('/') ? `${relative}/` : relative
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
