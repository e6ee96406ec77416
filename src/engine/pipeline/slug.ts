import { randomUUID } from 'node:crypto'
import { rename, symlink } from 'node:fs/promises'
import path from 'node:path'

/** A release that reuses an older slug has a link in its place, so that every release has a directory. */
export async function linkRelease(releases: string, release: number, slug: number): Promise<void> {
  const temporary = path.join(releases, `.making-${randomUUID()}`)
  await symlink(String(slug), temporary)
  await rename(temporary, path.join(releases, String(release)))
}
