import { realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { Refusal } from '../domain/refusal.ts'
import { pnpmPatterns, workspaceFolders } from './dependencies/workspaces.ts'
import type { PackageJson } from './package-json.ts'
import { readPackageJson } from './package-json.ts'

/** Where the parts of an app lie in a slug. */
export interface AppFolder {
  /** Of the app below the slug, `apps/web`; '' for the top. */
  readonly rootDir: string
  /** Absolute: where dependencies are installed, the top of the workspaces or the app's own folder. */
  readonly installIn: string
  /** The app's folder below `installIn`; '' where they are the same. */
  readonly below: string
  /** Of `installIn`; null where there is none. */
  readonly installed: PackageJson | null
  /** Of the app itself; null where there is none. */
  readonly packageJson: PackageJson | null
}

/**
 * In a monorepo with workspaces all dependencies are installed from the top; a folder that is no workspace
 * stands for itself. Refuses with `rejected_tree` a folder that is not there or leads out of the slug.
 */
export async function findAppFolder(slug: string, rootDir: string): Promise<AppFolder> {
  const top = await readPackageJson(slug)
  if (rootDir === '') return { rootDir, installIn: slug, below: '', installed: top, packageJson: top }
  await requireFolder(slug, rootDir)
  const packageJson = await readPackageJson(slug, rootDir)
  if (top !== null && packageJson !== null && (await isWorkspace(slug, top, rootDir))) {
    return { rootDir, installIn: slug, below: rootDir, installed: top, packageJson }
  }
  const installIn = path.join(slug, rootDir)
  return { rootDir, installIn, below: '', installed: packageJson, packageJson }
}

async function isWorkspace(slug: string, top: PackageJson, rootDir: string): Promise<boolean> {
  const folders = await workspaceFolders(slug, top.workspaces)
  return (
    folders.includes(rootDir) || (await workspaceFolders(slug, await pnpmPatterns(slug))).includes(rootDir)
  )
}

async function requireFolder(slug: string, rootDir: string): Promise<void> {
  const real = await realpath(path.join(slug, rootDir)).catch(() => null)
  if (real === null || !(await stat(real)).isDirectory()) {
    throw new Refusal('rejected_tree', `rootDir: there is no folder ${rootDir}`, {
      hint: 'write it from the top of the repository, as apps/web',
    })
  }
  if (real.startsWith((await realpath(slug)) + path.sep)) return
  throw new Refusal('rejected_tree', `rootDir: ${rootDir} leads out of the repository`, {
    hint: 'name a folder of the repository',
  })
}
