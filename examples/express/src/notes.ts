import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'

interface Note {
  readonly text: string
  readonly at: string
}

// This folder outlives releases: what is written here is still there after the next push.
const file = join(process.env.NODEPILOT_DATA_DIR ?? '.', 'notes.ndjson')

export const notes = {
  async list(): Promise<Note[]> {
    const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n')
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Note)
  },

  async add(text: string): Promise<Note> {
    const note = { text, at: new Date().toISOString() }
    await appendFile(file, `${JSON.stringify(note)}\n`)
    return note
  },
}
