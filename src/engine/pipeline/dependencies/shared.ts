import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { checkRoots } from './store.ts'
import { unshareTree } from './trees.ts'

/**
 * A note in `node_modules` that its files are hard links into the kept tree. It lies beside npm's own hidden
 * lockfile, lives and dies with the tree, and is there after a restart of the server.
 */
const noteFile = 'node_modules/.nodepilot-shared.json'
const note = z.object({ roots: z.array(z.string().regex(/(^|\/)node_modules$/)).min(1) })

export async function markShared(slug: string, roots: readonly string[]): Promise<void> {
  // of a monorepo, only its workspaces may have modules
  await mkdir(path.join(slug, 'node_modules'), { recursive: true })
  await writeFile(path.join(slug, noteFile), JSON.stringify({ roots }))
}

/** The folders whose files are shared; null when they are the slug's own. */
export async function sharedRoots(slug: string): Promise<readonly string[] | null> {
  try {
    const parsed = note.safeParse(JSON.parse(await readFile(path.join(slug, noteFile), 'utf8')))
    return parsed.success ? parsed.data.roots : null
  } catch {
    return null
  }
}

/**
 * Replaces every shared file by a writable copy, each in one step, so that also a running app finds all of
 * them at any moment. Ended in the middle, it can be called again.
 */
export async function makePrivate(slug: string, signal: AbortSignal): Promise<void> {
  const roots = await sharedRoots(slug)
  if (roots === null) return
  await checkRoots(slug, roots)
  await unshareTree(slug, roots, signal)
}
