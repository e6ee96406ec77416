import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

/**
 * yarn 1 writes whole addresses into its lockfile and goes nowhere else. Where the operator has a registry of its
 * own, those of the public one are led there, as npm does; what comes must still have the hashes of the lockfile.
 */
export async function leadToRegistry(directory: string, registry: string | undefined): Promise<void> {
  if (registry === undefined) return
  const file = path.join(directory, 'yarn.lock')
  const text = await readFile(file, 'utf8')
  const base = registry.replace(/\/?$/, '/')
  await writeFile(
    file,
    text.replace(publicAddress, (_, before: string) => before + base),
  )
}

const publicAddress = /^([ \t]+resolved ")https?:\/\/registry\.(?:yarnpkg\.com|npmjs\.org)\//gm
