import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { largestPage, maintenanceFile } from '../domain/maintenance.ts'
import type { Paths } from '../paths.ts'
import type { ProjectRow } from '../store/projects.ts'
import type { HowItRuns } from '../store/releases.ts'

/** What visitors get in maintenance, and where it comes from. */
export type MaintenancePage =
  | { readonly from: 'setting' | 'app'; readonly html: string }
  /** The front door's own. `problem`: why the one of the app is not used; null: it has none. */
  | { readonly from: 'front door'; readonly html: null; readonly problem: string | null }

/** The project's setting, else a file of the live release, read anew: another release may have another one. */
export function maintenancePageOf(
  paths: Pick<Paths, 'release'>,
  { name, settings }: Pick<ProjectRow, 'name' | 'settings'>,
  live: Pick<HowItRuns, 'slug' | 'plan'> | undefined,
): MaintenancePage {
  if (settings.maintenancePage !== null) return { from: 'setting', html: settings.maintenancePage }
  const none = (problem: string | null) => ({ from: 'front door', html: null, problem }) as const
  if (!live) return none(null)
  const slug = paths.release(name, live.slug)
  try {
    const html = readPage(path.join(slug, live.plan.rootDir, maintenanceFile), slug)
    return typeof html === 'string' ? { from: 'app', html } : none(html.problem)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return none(code === 'ENOENT' ? null : `cannot be read (${code ?? 'unknown'})`)
  }
}

/** Processes of the app may have written there since it was built: a link leads nowhere else, a pipe is not waited for. */
function readPage(file: string, slug: string): string | { readonly problem: string } {
  const real = realpathSync(file)
  if (!real.startsWith(realpathSync(slug) + path.sep)) return { problem: 'leads out of the app' }
  const opened = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const found = fstatSync(opened)
    if (!found.isFile()) return { problem: 'is no regular file' }
    if (found.size > largestPage) return { problem: 'is larger than 64 KiB' }
    const bytes = Buffer.alloc(largestPage)
    const read = bytes.subarray(0, readSync(opened, bytes, 0, largestPage, 0))
    if (!isUtf8(read)) return { problem: 'is not in UTF-8' }
    const html = read.toString('utf8')
    return html.trim() === '' ? { problem: 'is empty' } : html
  } finally {
    closeSync(opened)
  }
}
