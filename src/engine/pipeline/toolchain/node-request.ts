import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { PackageJson } from '../package-json.ts'

/** Which Node an app asks for, in its own words, and where it says so. */
export interface NodeRequest {
  /** `22`, `>=20 <23`, `lts/iron`. */
  readonly asked: string
  /** For people: `.nvmrc`, `engines.node in package.json`. */
  readonly origin: string
}

/**
 * The project's setting or its app file (`setting`), else `.nvmrc`, `.node-version`, `engines.node`. `folders`
 * are looked through in order: the app's own, then the top of the repository. Null: it asks for none.
 */
export async function findNodeRequest(
  folders: readonly string[],
  packageJson: PackageJson | null,
  setting: NodeRequest | null,
): Promise<NodeRequest | null> {
  if (setting?.asked.trim()) return { ...setting, asked: setting.asked.trim() }
  for (const name of ['.nvmrc', '.node-version']) {
    for (const folder of folders) {
      const asked = firstLine(await readFile(path.join(folder, name), 'utf8').catch(() => ''))
      if (asked) return { asked, origin: name }
    }
  }
  const engines = packageJson?.engines?.node?.trim()
  return engines ? { asked: engines, origin: 'engines.node in package.json' } : null
}

/** As nvm: comments and empty lines do not count. */
function firstLine(text: string): string {
  const lines = text
    .slice(0, 1024)
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
  return lines.map((line) => line.replace(/#.*/, '').trim()).find((line) => line !== '') ?? ''
}
