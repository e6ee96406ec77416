import { access } from 'node:fs/promises'
import path from 'node:path'
import { type Config, type Flags, readConfig } from '../config.ts'
import { type BundledRepositories, makeBackup } from '../engine/backup/make.ts'
import { createShelf } from '../engine/backup/shelf.ts'
import { theServer } from '../engine/domain/audit.ts'
import { Refusal } from '../engine/domain/refusal.ts'
import { noFailpoints } from '../engine/failpoints.ts'
import { createPaths, type Paths } from '../engine/paths.ts'
import { openDatabase } from '../engine/store/database.ts'
import { createStore } from '../engine/store/store.ts'
import { createAudit } from '../engine/use-cases/audit.ts'
import { readBundle, writeBundle } from '../git/bundle.ts'
import { createReport } from '../report.ts'
import type { BackupFlags } from './register/server.ts'

/** `nodepilot backup`: works on the home itself, so it needs neither a server nor a sign-in. */
export async function backup(flags: Flags, options: BackupFlags, json: boolean): Promise<void> {
  const config = readConfig(process.env, flags)
  const paths = createPaths(config.home)
  await access(paths.database).catch(() => {
    throw new Refusal('not_found', `${config.home} is not a home of NodePilot`, {
      hint: 'say which one: --home, or NODEPILOT_HOME',
    })
  })
  const clock = () => Date.now()
  const db = openDatabase(paths.database)
  try {
    const store = createStore(db, clock)
    const repositories = bundledRepositories(paths, config)
    const wanted = { keys: options.keys ?? false, slugs: options.slugs ?? false }
    const stop = new AbortController()
    process.once('SIGINT', () => stop.abort(new Refusal('cancelled', 'the backup was cancelled')))
    const made = await makeBackup(
      { paths, repositories, clock, failpoint: noFailpoints },
      wanted,
      stop.signal,
    )
    const shelf = createShelf(paths.backups)
    const { id, bytes } = made
    const report = createReport((text) => void process.stderr.write(text), clock)
    const who = { ...theServer, name: 'the command line' }
    createAudit({ store, clock, report })({ who, action: 'backup.create', after: { id, bytes, ...wanted } })
    await shelf.keepNewest(config.backups.keep)
    const file = shelf.archive(id)
    process.stdout.write(json ? `${JSON.stringify({ backup: made, file })}\n` : `${file}\n`)
    if (!json) process.stderr.write(`${summary(made)}\n`)
  } finally {
    db.close()
  }
}

function summary(made: Awaited<ReturnType<typeof makeBackup>>): string {
  const changed = made.changed > 0 ? `; ${made.changed} were written to meanwhile` : ''
  const size = (made.bytes / 1_000_000).toFixed(1)
  return `proved by a restore: ${made.projects.length} projects, ${made.files} files, ${size} MB${changed}`
}

/** Repositories of a home, for commands that run beside or without its server. */
export function bundledRepositories(paths: Paths, config: Pick<Config, 'environment'>): BundledRepositories {
  const environment = { ...config.environment, HOME: paths.cache }
  const at = (name: string) => path.join(paths.repositories, `${name}.git`)
  return {
    bundle: (name, file, signal) => writeBundle(at(name), file, environment, signal),
    unbundle: (file, directory, signal, branch) => readBundle(file, directory, environment, signal, branch),
  }
}
