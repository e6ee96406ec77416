// What the scripts share: where the package lies, and how one ends. Only Node's own modules.
import { realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** An expected failure: its message is the one sentence a person gets to read. */
export class Failure extends Error {
  name = 'Failure'
}

/** Runs `main` when the module is the script that was started; a failure ends it with a sentence and exit 1. */
export async function runAsScript(moduleUrl, main) {
  if (!process.argv[1] || realpathSync(process.argv[1]) !== fileURLToPath(moduleUrl)) return
  try {
    process.exitCode = (await main(process.argv.slice(2))) ?? 0
  } catch (error) {
    console.error(error instanceof Failure ? error.message : error)
    process.exitCode = 1
  }
}
