import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The package's own folder: found upwards from the compiled file, so that it does not matter where that lies. */
export const root = packageRoot()

function packageRoot(): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'bin', 'nodepilot'))) return folder
  }
  return process.cwd()
}
