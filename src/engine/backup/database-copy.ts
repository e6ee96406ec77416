import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** A whole and consistent copy of a database that is in use. */
export function copyDatabase(from: string, to: string): Promise<void> {
  return work({ from, to })
}

/** Rejects where SQLite finds anything wrong with it. */
export function checkDatabaseFile(file: string): Promise<void> {
  return work({ from: file, to: null })
}

async function work(workerData: { from: string; to: string | null }): Promise<void> {
  const worker = new Worker(new URL('./database-worker.js', import.meta.url), { workerData })
  // rejects with what the worker threw
  await once(worker, 'exit')
}
