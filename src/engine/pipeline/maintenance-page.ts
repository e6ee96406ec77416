import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { largestPage, maintenanceFile } from '../domain/maintenance.ts'
import type { ReleasePlan } from '../domain/release-plan.ts'

/** What visitors get in maintenance, and where it comes from. */
export type MaintenancePage =
  | { readonly from: 'setting' | 'app'; readonly html: string }
  /** The front door's own. `problem`: why the one of the app is not used; null: it has none. */
  | { readonly from: 'front door'; readonly html: null; readonly problem: string | null }

/** A release's slug and how it is run. */
interface Live {
  readonly slug: string
  readonly plan: Pick<ReleasePlan, 'rootDir'>
}

/** The project's setting, else a file of the live release, read anew: another release may have another one. */
export function maintenancePageOf(setting: string | null, live: Live | null): MaintenancePage {
  if (setting !== null) return { from: 'setting', html: setting }
  const none = (problem: string | null) => ({ from: 'front door', html: null, problem }) as const
  if (live === null) return none(null)
  try {
    const html = readPage(path.join(live.slug, live.plan.rootDir, maintenanceFile), live.slug)
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
    const html = bytes.toString('utf8', 0, readSync(opened, bytes, 0, largestPage, 0))
    return html.trim() === '' ? { problem: 'is empty' } : html
  } finally {
    closeSync(opened)
  }
}
