import { workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'

/** Copies or checks a database beside the server's own thread, which goes on answering. */
const { from, to } = workerData as { from: string; to: string | null }

const db = new Database(from, { fileMustExist: true, readonly: true })
try {
  db.pragma('busy_timeout = 30000')
  if (to !== null) db.prepare('VACUUM INTO ?').run(to)
  else {
    const problems = db.pragma('integrity_check') as { integrity_check: string }[]
    const lost = db.pragma('foreign_key_check') as unknown[]
    if (problems[0]?.integrity_check !== 'ok' || lost.length > 0) {
      throw new Error(`the database is damaged: ${JSON.stringify([...problems, ...lost]).slice(0, 500)}`)
    }
  }
} finally {
  db.close()
}
