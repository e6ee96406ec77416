import { readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'

export interface SiteEntry {
  /** Below the folder, separated by `/`: what the address says. */
  readonly name: string
  /** Where it really lies. */
  readonly real: string
  readonly size: number
}

export interface SiteWalk {
  readonly entries: readonly SiteEntry[]
  /** Links that lead out of the folder, or nowhere. */
  readonly leftOut: readonly string[]
}

/** At the top of an app they speak to NodePilot and to npm, not to visitors. */
const ofTheApp: ReadonlySet<string> = new Set(['node_modules', 'nodepilot.json', 'Procfile'])

/**
 * Every file below a folder that may be served, by name: none whose name begins with a dot, but `.well-known`
 * (RFC 8615). Links are followed as long as they stay inside.
 */
export async function walkSite(directory: string): Promise<SiteWalk> {
  const root = await realpath(directory)
  const entries: SiteEntry[] = []
  const leftOut: string[] = []
  /** `above`: the real folders on the way here, so that a link to one of them is no endless path. */
  const walk = async (folder: string, at: string, above: readonly string[]): Promise<void> => {
    for (const name of (await readdir(folder)).sort()) {
      if (isHidden(name) || (at === '' && ofTheApp.has(name))) continue
      const below = path.posix.join(at, name)
      const real = await realpath(path.join(folder, name)).catch(() => null)
      if (!real?.startsWith(root + path.sep)) {
        leftOut.push(below)
        continue
      }
      // what a link leads to may be hidden itself
      if (path.relative(root, real).split(path.sep).some(isHidden)) continue
      const found = await stat(real)
      if (found.isFile()) entries.push({ name: below, real, size: found.size })
      else if (found.isDirectory() && !above.includes(real)) await walk(real, below, [...above, real])
    }
  }
  await walk(root, '', [root])
  return { entries, leftOut }
}

function isHidden(name: string): boolean {
  return name.startsWith('.') && name !== '.well-known'
}
