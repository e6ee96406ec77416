import { readdirSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { removeHalfPacks, removeStaleLocks } from './upkeep.ts'

/**
 * Counts the pushes that run in each repository. When the last one has ended, what killed ones left of
 * their quarantine is removed: git only does that when it ends by itself.
 */
export class Quarantines {
  readonly #running = new Map<string, number>()

  enter(directory: string): void {
    this.#running.set(directory, (this.#running.get(directory) ?? 0) + 1)
  }

  async leave(directory: string): Promise<void> {
    const running = (this.#running.get(directory) ?? 1) - 1
    if (running > 0) {
      this.#running.set(directory, running)
      return
    }
    this.#running.delete(directory)
    await sweep(directory)
  }
}

/** What a server that was killed left in the repositories below `root`. Only before any push is accepted. */
export async function sweepQuarantines(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    await sweep(join(root, name))
    await removeStaleLocks(join(root, name), 0, Date.now())
    await removeHalfPacks(join(root, name))
  }
}

async function sweep(directory: string): Promise<void> {
  // Listed in the same turn: a push that begins while these are removed has another name.
  for (const path of leftovers(join(directory, 'objects'))) {
    // A child of git that was killed just now may have made one more file meanwhile.
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  }
}

function leftovers(objects: string): string[] {
  try {
    return readdirSync(objects)
      .filter((name) => /^(tmp_objdir-)?incoming-/.test(name))
      .map((name) => join(objects, name))
  } catch {
    return []
  }
}
