import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import Database from 'better-sqlite3'
import type { Release } from '../domain/release.ts'
import { createStore } from '../store/store.ts'

/** A whole and consistent copy of a database that is in use. */
export function copyDatabase(from: string, to: string): Promise<void> {
  return work({ from, to })
}

/** Rejects where SQLite finds anything wrong with it. */
export function checkDatabaseFile(file: string): Promise<void> {
  return work({ from: file, to: null })
}

/** A project as the copy knows it, with its current release. */
export interface SavedProject {
  readonly name: string
  readonly release: Release | null
}

/** What a copy says of its projects: the database itself may say something else by now. */
export function readCopy(file: string, clock: () => number): readonly SavedProject[] {
  const db = new Database(file, { fileMustExist: true, readonly: true })
  try {
    const { projects, releases } = createStore(db, clock)
    return projects
      .list()
      .map(({ id, name, currentRelease }) => ({ name, release: releases.find(id, currentRelease ?? -1) }))
  } finally {
    db.close()
  }
}

async function work(workerData: { from: string; to: string | null }): Promise<void> {
  const worker = new Worker(new URL('./database-worker.js', import.meta.url), { workerData })
  // rejects with what the worker threw
  await once(worker, 'exit')
}
