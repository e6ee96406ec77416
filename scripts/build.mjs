// Builds dist/: compiles src/ and copies what the compiler leaves behind. Only Node's own modules.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, root, runAsScript } from './script.mjs'

/** Files the program reads at run time that are not TypeScript: folders below src/, copied below dist/. */
const copied = [{ folder: 'engine/store/migrations', ending: '.sql' }]

/** Throws a Failure with the compiler's own words. About a second. */
export function build() {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (!existsSync(compiler)) throw new Failure('The compiler is missing: run npm ci first.')
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.json'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) throw new Failure('The build failed; the lines above say where.')
  for (const { folder, ending } of copied) copyFolder(folder, ending)
}

function copyFolder(folder, ending) {
  const from = join(root, 'src', folder)
  if (!existsSync(from)) return
  cpSync(from, join(root, 'dist', folder), {
    recursive: true,
    filter: (path) => path === from || path.endsWith(ending),
  })
}

await runAsScript(import.meta.url, build)
