import { mkdir, rename, writeFile } from 'node:fs/promises'
import { createPaths, type Paths } from './engine/paths.ts'
import { version } from './installation.ts'

/** Every directory that a server writes to; nobody else's business (0700). */
export async function makeHome(home: string): Promise<Paths> {
  const paths = createPaths(home)
  for (const directory of [
    home,
    paths.run,
    paths.keys,
    paths.projects,
    paths.logs,
    paths.cache,
    paths.repositories,
  ]) {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  }
  return paths
}

/** `run/server.json` appears whole, and only when everything answers. */
export async function announce(paths: Paths, url: string, now: number): Promise<void> {
  const facts = { pid: process.pid, url, version, startedAt: new Date(now).toISOString() }
  await writeFile(`${paths.serverFile}.new`, `${JSON.stringify(facts)}\n`, { mode: 0o600 })
  await rename(`${paths.serverFile}.new`, paths.serverFile)
}
