import { access, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { type Flags, readHome } from '../config.ts'
import { type Restored, restoreHome } from '../engine/backup/restore.ts'
import { Refusal } from '../engine/domain/refusal.ts'
import { createPaths, type Paths } from '../engine/paths.ts'
import { answers } from '../listener.ts'
import { bundledRepositories } from './backup.ts'
import type { RestoreFlags } from './register/server.ts'

/** `nodepilot restore`: an empty home becomes what the backup says; `serve` then brings every project back. */
export async function restore(
  flags: Flags,
  file: string,
  { force = false }: RestoreFlags,
  json: boolean,
): Promise<void> {
  const paths = createPaths(readHome(process.env, flags))
  const given = path.resolve(file)
  await access(given).catch(() => {
    throw new Refusal('not_found', `there is no file ${file}`)
  })
  await refuseRunning(paths)
  const aside = await makeRoom(paths, force)
  const from = aside === null ? given : movedWith(paths.home, aside, given)
  tell(paths.home, aside, await restoreOrUndo(paths, from, aside), json)
}

async function restoreOrUndo(paths: Paths, from: string, aside: string | null): Promise<Restored> {
  try {
    const environment = { PATH: process.env.PATH ?? '/usr/bin:/bin', LANG: process.env.LANG ?? 'C.UTF-8' }

    const repositories = bundledRepositories(paths, { environment })
    const deps = { paths, repositories, clock: () => Date.now() }
    const restored = await restoreHome(from, deps, new AbortController().signal)
    // backups outlive what they were made of
    if (aside !== null) await rename(path.join(aside, 'backups'), paths.backups).catch(() => {})
    return restored
  } catch (error) {
    await rm(paths.home, { recursive: true, force: true })
    if (aside !== null) await rename(aside, paths.home)
    throw error
  }
}

/** Its front door and its projects live without a server too, and would go on in folders that are moved. */
async function refuseRunning(paths: Paths): Promise<void> {
  if (!(await answers(paths.serverSocket)) && !(await answers(paths.routerSocket))) return
  throw new Refusal('conflict', `a server or its projects still run on ${paths.home}`, {
    hint: 'end them first: nodepilot stop --all',
  })
}

/** Where the old home went, null where there was none. */
async function makeRoom(paths: Paths, force: boolean): Promise<string | null> {
  const there = await readdir(paths.home).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (there.length === 0) return null
  if (!force) {
    throw new Refusal('conflict', `${paths.home} is not empty`, {
      hint: 'give another --home, or --force, which moves this one aside',
    })
  }
  const aside = `${paths.home}.before-${new Date().toISOString().replace(/[-:]/g, '').slice(0, 15)}`
  await rename(paths.home, aside)
  return aside
}

/** The file may lie among the backups of the home that was moved. */
function movedWith(home: string, aside: string, file: string): string {
  const within = path.relative(home, file)
  return within.startsWith('..') || path.isAbsolute(within) ? file : path.join(aside, within)
}

/** Of each list. */
const mostNamed = 10

function tell(home: string, aside: string | null, { manifest, locked }: Restored, json: boolean): void {
  const { id, createdAt, projects, keys, changed } = manifest
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ restored: { id, createdAt, projects, home, aside, locked } })}\n`,
    )
    return
  }
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  process.stdout.write(`${home} is as it was at ${createdAt}: ${projects.length} projects\n`)
  if (aside !== null) say(`the home that was there is now ${aside}`)
  if (!keys) say('it was saved without its secrets: everybody signs in again')
  for (const { project, names } of locked.slice(0, mostNamed)) {
    say(`config vars of ${project} that cannot be read: ${names.slice(0, mostNamed).join(', ')}`)
  }
  if (locked.length > 0) {
    say(`they are sealed with a key that was not saved (${locked.length} of ${projects.length} projects)`)
    say(
      `hint: copy config-vars-*.key from keys/ of the old home into ${path.join(home, 'keys')} before serve;`,
    )
    say('hint: without it set them anew: nodepilot config import .env -p PROJECT, which builds it too')
  }
  if (changed.length > 0) say(`written to while they were saved: ${changed.slice(0, 10).join(', ')}`)
  say('Next     nodepilot serve, which builds and starts every project again')
}
