import path from 'node:path'
import { type AppFile, parseAppFile } from '../domain/app-file.ts'
import { Refusal } from '../domain/refusal.ts'
import { type AppConfig, type AppWords, resolveApp } from './app-config.ts'
import { type AppFolder, findAppFolder } from './app-folder.ts'
import { type Procfile, readProcfile } from './procfile.ts'
import { readTreeFile } from './tree-file.ts'

/** An app as its files and the settings of its project describe it, before anything of it is run. */
export interface App extends AppFolder {
  readonly config: AppConfig
  readonly procfile: Procfile | null
}

const fileName = 'nodepilot.json'
/** Bytes; it is read as a whole. */
const largest = 100_000

/**
 * Reads nodepilot.json, Procfile and package.json. The file that counts is the one in the app's folder; where the
 * one at the top names that folder, it speaks for it too, and the folder's own wins field by field.
 * Refuses with `rejected_tree`, naming file and field.
 */
export async function readApp(slug: string, project: AppWords['project']): Promise<App> {
  const setting = project.settings.rootDir
  const top = await readAppFile(slug, '')
  const rootDir = setting ?? top?.rootDir ?? ''
  const folder = await findAppFolder(slug, rootDir)
  const named = setting === null || setting === (top?.rootDir ?? '')
  // of another app, the file at the top only tells that its folder was named and lost
  const above = named ? top : top && { rootDir: top.rootDir }
  const file = { ...above, ...(await ownFile(slug, rootDir)) }
  const procfile = await readProcfile(path.join(slug, rootDir))
  const config = resolveApp({ project, file, procfile, packageJson: folder.packageJson })
  return { ...folder, config, procfile }
}

async function ownFile(slug: string, rootDir: string): Promise<AppFile | null> {
  if (rootDir === '') return null
  const own = await readAppFile(slug, rootDir)
  if (own?.rootDir === undefined) return own
  throw new Refusal(
    'rejected_tree',
    `${rootDir}/${fileName}: rootDir: only the file at the top may name it`,
    {
      hint: `remove it from ${rootDir}/${fileName}`,
    },
  )
}

async function readAppFile(slug: string, folder: string): Promise<AppFile | null> {
  const name = path.posix.join(folder, fileName)
  const bytes = await readTreeFile(slug, name, largest)
  return bytes === null ? null : parseAppFile(bytes.toString('utf8'), name)
}
